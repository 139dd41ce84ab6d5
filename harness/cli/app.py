"""The command tree, and the one place where its errors are caught."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import typer

from harness.cli import lazy

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_FILE = (errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENOTDIR, errno.EROFS, errno.EPERM)
BAD_COMMAND_LINE: type[Exception] = typer.BadParameter.__mro__[2]
"""The class of typer's exceptions for a bad command line: ``ClickException``, whichever package
defines it."""

COMMANDS = {
    "run": ("harness.cli.run:run", "Solve a problem, and say how sure the answer is."),
    "resume": (
        "harness.cli.run:resume",
        "Go on with a run that was interrupted or waits for your yes; nothing is paid twice.",
    ),
    "runs": ("harness.cli.look:runs", "Look at runs that were made."),
    "bead": (
        "harness.cli.bead:bead",
        "Issues and shared memory: beads with dependencies, in one store.",
    ),
    "doctor": (
        "harness.cli.look:doctor",
        "Check that this machine can do a run, and say what to do where it cannot.",
    ),
    "init": (
        "harness.cli.look:init",
        "Write a commented harness.toml here, every setting at its default.",
    ),
    "specialist": (
        "harness.cli.specialist:specialist",
        "Look at the fleet, and make one of your own adapters.",
    ),
    "eval": (
        "harness.cli.eval:evaluate",
        "Measure: compare systems, cluster errors, test variants, add up costs.",
    ),
    "export": (
        "harness.cli.export:export",
        "Write training rows and evaluation logs from recorded runs.",
    ),
    "router": ("harness.cli.router:router", "Train and judge routers."),
    "bench": ("harness.cli.bench:bench", "Measure routing."),
    "version": ("harness.cli.look:version", "Show the version."),
}
"""Command → its location, and its line in ``harness --help``, which imports none of the
commands."""


class Root(lazy.LazyGroup):
    """The root of the command tree."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (target, says) in COMMANDS.items():
            self.add_later(name, says, partial(lazy.imported, name, target))


app = typer.Typer(
    name="harness",
    cls=Root,
    help="Specialists on one base model solve long problems together: plan, route, execute, "
    "verify, remember.",
    epilog="Exit codes: 0 verified, 1 not solved, 2 usage, 3 out of budget, 4 environment, "
    "5 waiting for approval, 130 interrupted (docs/exit-codes.md).",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True)
    ] = False,
) -> None:
    from harness.cli import look

    if version:
        look.version()
        raise typer.Exit
    look.help_alone(context)


def main(
    arguments: Sequence[str] | None = None, tree: typer.Typer = app, name: str = "harness"
) -> int:
    """Run a command line and return its exit code. Every error becomes one line.

    ``tree`` may be the commands of another program, such as a script, and ``name`` the command that
    starts that program.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if says := _no_text(words):
        return _fail(words, says, _exit("USAGE"))
    try:
        command = typer.main.get_command(tree)
        code = command.main(words, prog_name=name, standalone_mode=False, obj=words)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return _fail(words, "interrupted", _exit("INTERRUPTED"))
    except BrokenPipeError:
        return _nobody_reads()
    except OSError as error:
        if error.errno in NO_FILE and isinstance(error.filename, str):
            return _fail(words, f"{error.filename}: {error.strerror}", _exit("SETUP"))
        if error.errno not in NO_SPACE:
            return _explain(words, error)
        says = f"cannot write ({error.strerror}); free some space"
        code = _fail(words, says, _exit("SETUP"))
        _silence()
        return code
    except BAD_COMMAND_LINE as error:
        path = getattr(getattr(error, "ctx", None), "command_path", name)
        says = getattr(error, "format_message", error.__str__)()
        says = f"{says.rstrip('.')} (`{path} --help` shows what it takes)"
        return _fail(words, says, _exit("USAGE"))
    except Exception as error:  # noqa: BLE001 - the boundary
        return _explain(words, error)


def _no_text(words: Sequence[str]) -> str | None:
    """The first argument or setting of the environment that is not valid text, so that nothing
    could store it."""
    ours = ((name, value) for name, value in os.environ.items() if name.startswith("HARNESS_"))
    for what, text in (*(("the argument", word) for word in words), *ours):
        try:
            text.encode()
        except UnicodeEncodeError:
            shown = text[:60].encode(errors="backslashreplace").decode()
            return f"{what} {shown} is not UTF-8 text; give it in UTF-8"
    return None


def _exit(name: str) -> int:
    """An exit code by its name in the table, which a command that succeeds need not load."""
    from state.status import Exit

    return Exit[name]


def _explain(words: Sequence[str], error: Exception) -> int:
    from harness.cli.hints import Hint
    from state.errors import HarnessError
    from state.status import Exit

    if os.environ.get("HARNESS_DEBUG") == "1":
        traceback.print_exc()
    said = getattr(error, "__notes__", [])  # Libraries add notes of their own.
    notes = "".join(f" ({note})" for note in said if isinstance(note, Hint))
    if isinstance(error, HarnessError):
        return _fail(words, f"{error}{notes}", error.exit_code)
    says = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    says = f"unexpected {says}{notes}; HARNESS_DEBUG=1 shows where"
    return _fail(words, says, Exit.FAULT)


def _fail(words: Sequence[str], says: str, code: int) -> int:
    """Print the error: on standard error, or as the one JSON object on standard output."""
    from harness.ui.live_progress import one_line

    says = one_line(says)
    try:
        if "--json" in words:
            print(
                json.dumps({"error": says, "exit_code": int(code)}, ensure_ascii=False), flush=True
            )
        else:
            print(f"error: {says}", file=sys.stderr, flush=True)
    except BrokenPipeError:
        return _nobody_reads()
    return code


def _nobody_reads() -> int:
    """Exit silently after the reader has closed the pipe (``harness … | head``)."""
    _silence()
    return 1


def _silence() -> None:
    """Discard all further output, so that the end of the program cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
