"""The command tree and its one error boundary."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from harness.cli import bench, evaluate, look, memory, router, run
from harness.cli.bead import bead
from harness.cli.export import export

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_FILE = (errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENOTDIR, errno.EROFS, errno.EPERM)
UNEXPECTED = 70
"""Exit code of a fault in the program itself (EX_SOFTWARE of sysexits.h)."""
BAD_COMMAND_LINE: type[Exception] = typer.BadParameter.__mro__[2]
"""What typer raises for any bad command line: ``ClickException``, whichever package it is in."""

app = typer.Typer(
    name="harness",
    help="Specialists on one base model solve long problems together: plan, route, execute, "
    "verify, remember.",
    epilog="Exit codes: 0 verified, 1 not solved, 2 usage, 3 out of budget, 4 environment, "
    "130 interrupted.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("resume")(run.resume)
app.add_typer(look.runs, name="runs")
memory.register(bead)
app.add_typer(bead, name="bead")
app.command("doctor")(look.doctor)
app.command("init")(look.init)
app.add_typer(look.specialist, name="specialist")
app.add_typer(evaluate.evaluate, name="eval")
app.add_typer(export, name="export")
app.add_typer(router.router, name="router")
app.add_typer(bench.bench, name="bench")
app.command("version")(look.version)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True)
    ] = False,
) -> None:
    if version:
        look.version()
        raise typer.Exit
    look.help_alone(context)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code. Whatever goes wrong is one line."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        command = typer.main.get_command(app)
        code = command.main(words, prog_name="harness", standalone_mode=False, obj=words)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return _fail(words, "interrupted", 130)
    except BrokenPipeError:
        return _nobody_reads()
    except OSError as error:
        if error.errno in NO_FILE and isinstance(error.filename, str):
            return _fail(words, f"{error.filename}: {error.strerror}", 4)
        if error.errno not in NO_SPACE:
            return _explain(words, error)
        code = _fail(words, f"cannot write ({error.strerror}); free some space", 4)
        _silence()
        return code
    except BAD_COMMAND_LINE as error:
        path = getattr(getattr(error, "ctx", None), "command_path", "harness")
        says = getattr(error, "format_message", error.__str__)()
        return _fail(words, f"{says.rstrip('.')} (`{path} --help` shows what it takes)", 2)
    except Exception as error:  # noqa: BLE001 - the boundary
        return _explain(words, error)


def _explain(words: Sequence[str], error: Exception) -> int:
    from state.errors import HarnessError

    if os.environ.get("HARNESS_DEBUG") == "1":
        traceback.print_exc()
    said = getattr(error, "__notes__", [])  # libraries add notes of their own
    notes = "".join(f" ({note})" for note in said if note.startswith("then continue with:"))
    if isinstance(error, HarnessError):
        return _fail(words, f"{error}{notes}", error.exit_code)
    says = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    says = f"unexpected {says}{notes}; HARNESS_DEBUG=1 shows where"
    return _fail(words, says, UNEXPECTED)


def _fail(words: Sequence[str], says: str, code: int) -> int:
    """Say what went wrong: on the standard error, or as the one JSON object on the output."""
    from harness.progress import one_line

    says = one_line(says)
    try:
        if "--json" in words:
            print(json.dumps({"error": says, "exit_code": code}, ensure_ascii=False), flush=True)
        else:
            print(f"error: {says}", file=sys.stderr, flush=True)
    except BrokenPipeError:
        return _nobody_reads()
    return code


def _nobody_reads() -> int:
    """The reader has gone (``harness … | head``): say nothing, not even at exit."""
    _silence()
    return 1


def _silence() -> None:
    """What is still to be written goes nowhere, so that the end of the program cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
