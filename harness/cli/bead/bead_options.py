"""Common parts of the bead commands: options, and completion of ids in the shell."""

from __future__ import annotations

import getpass
import inspect
import io
import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from harness.cli.look import help_alone

if TYPE_CHECKING:
    from state import BeadStore
    from state.filters import Filters

bead = typer.Typer(
    help="Issues and shared memory: beads with dependencies, in one store.",
    epilog="Exit codes: 0 done, 1 nothing to claim, refused as things stand, or something found "
    "wrong, 2 usage, 4 the store cannot be used.",
)


@bead.callback(invoke_without_command=True)
def group(
    context: typer.Context,
    db: Annotated[
        str | None,
        typer.Option(
            "--db",
            metavar="URL",
            help="Path, sqlite:///PATH or postgresql://… (default: HARNESS_DATABASE_URL, else "
            "runs/state.db of this project).",
        ),
    ] = None,
) -> None:
    context.obj = db
    help_alone(context)


def complete_id(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids that begin with ``incomplete``, each with its title, for completion in the shell."""
    from harness.cli.bead.place import existing
    from harness.ui.live_progress import one_line
    from state.errors import HarnessError
    from state.tracker import Tracker

    try:
        with existing(context) as store:
            found = Tracker(store).ids(incomplete)
    except HarnessError:  # A completing shell cannot show an error.
        return []
    return [(id, one_line(title)) for id, title in found]


def me() -> str:
    """Name of the person at the command line: HARNESS_ACTOR, or the login name."""
    try:
        return os.environ.get("HARNESS_ACTOR") or getpass.getuser()
    except (KeyError, OSError):  # A container's user may have no name.
        return f"uid-{os.getuid()}"


Id = Annotated[
    str,
    typer.Argument(metavar="ID", help="Id, or its unique beginning.", autocompletion=complete_id),
]
Ids = Annotated[
    list[str],
    typer.Argument(
        metavar="ID…", help="Ids, or their unique beginnings.", autocompletion=complete_id
    ),
]
Kind = Annotated[
    str | None, typer.Option("--type", "-t", help="epic, task, bug, feature, chore or decision.")
]
Kinds = Annotated[
    str | None,
    typer.Option("--type", "-t", help="Only these: epic, task, bug, …; several with commas."),
]
Priority = Annotated[str | None, typer.Option("--priority", "-p", help="0 (most urgent) to 4.")]
Assignee = Annotated[str | None, typer.Option("--assignee", "-a", help="Whose it is.")]
LabelFilter = Annotated[
    list[str] | None,
    typer.Option("--label", "-l", help="Only those with this label; of several, with all."),
]
Part = Annotated[
    str | None,
    typer.Option(
        "--parent", metavar="ID", help="Only the parts of this bead.", autocompletion=complete_id
    ),
]
RunId = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="Those of this run, or all; without it, those that no run made.",
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", "-n", help="At most so many.")]
Due = Annotated[
    str | None,
    typer.Option(
        "--due", metavar="WHEN", help="When it should be done: 2025-01-31, tomorrow, +2d; or none."
    ),
]
Defer = Annotated[
    str | None,
    typer.Option("--defer", metavar="WHEN", help="Not offered as work before then; or none."),
]


class Narrowing:
    """The filters given on the command line; see :func:`narrowed`."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given

    def filters(self, store: BeadStore) -> Filters:
        """The filters in the form that a store takes. Raises UsageError."""
        import time

        from harness.cli.bead.when import moment_of

        given = self.given
        due = given["due_before"]
        before = (
            moment_of(due, "--due-before") if due else time.time() if given["overdue"] else None
        )
        filters: Filters = {
            "run_id": run_of(store, given["run"]),
            "kind": split([given["type"]]) or None,
            "status": split([given["status"]]) or None,
            "label": split(given["label"]),
            "assignee": given["assignee"],
            "priority": priority_of(given["priority"]),
            "parent": given["parent"],
            "text": given["text"],
            "due_before": before,
        }
        return filters


def _options(
    type: Kinds = None,
    status: Annotated[
        str | None,
        typer.Option(
            "--status",
            "-s",
            help="open, in_progress, blocked, deferred, closed, tombstone; several with commas.",
        ),
    ] = None,
    priority: Priority = None,
    label: LabelFilter = None,
    assignee: Assignee = None,
    text: Annotated[
        str | None, typer.Option("--text", help="Only those with this in title or description.")
    ] = None,
    parent: Part = None,
    run: RunId = None,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only those whose due date is over.")
    ] = False,
    due_before: Annotated[
        str | None, typer.Option("--due-before", metavar="WHEN", help="Only those due before.")
    ] = None,
) -> None:
    """The options of every listing; see :func:`narrowed`."""


def narrowed(command: Callable[..., None]) -> Callable[..., None]:
    """Give a listing command the options that all listings have, as its parameter ``narrowing``."""
    shared = inspect.signature(_options).parameters
    hints = {
        **get_type_hints(command, include_extras=True),
        **get_type_hints(_options, include_extras=True),
    }
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        parameters += shared.values() if parameter.name == "narrowing" else [parameter]
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [p.replace(kind=keyword, annotation=hints[p.name]) for p in parameters]

    def called(**given: Any) -> None:
        narrowing = Narrowing({name: given.pop(name) for name in shared})
        command(narrowing=narrowing, **given)

    called.__name__, called.__doc__ = command.__name__, command.__doc__
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {p.name: p.annotation for p in parameters}
    return called


def split(given: Iterable[str | None] | None) -> list[str]:
    """The values of options that may be given several times, or with commas between several
    values."""
    words = [word.strip() for text in given or () if text for word in text.split(",")]
    return list(dict.fromkeys(word for word in words if word))


def limit_of(limit: int | None) -> int | None:
    """``limit``, checked, and reduced to the largest value of a database. Raises UsageError."""
    from state.errors import UsageError

    if limit is not None and limit < 1:
        raise UsageError(f"--limit: should be greater than 0, not {limit}")
    return None if limit is None else min(limit, 2**63 - 1)


def priority_of(text: str | None) -> int | None:
    """``2`` or ``P2`` as a number. Raises UsageError."""
    from state.errors import UsageError

    if text is None:
        return None
    digits = text.removeprefix("P").removeprefix("p")
    if digits not in ("0", "1", "2", "3", "4"):
        raise UsageError(f"--priority: is 0 (most urgent) to 4, not {text}")
    return int(digits)


def text_of(given: str | None) -> str | None:
    """A text from the command line, or the standard input for ``-``. Raises UsageError."""
    from state.errors import UsageError

    if given != "-":
        return given
    from state.text import is_storable

    # Read as UTF-8 in every locale; line endings are kept.
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="strict", newline="")
    try:
        text = sys.stdin.read()
    except UnicodeDecodeError:
        raise UsageError("the standard input is not UTF-8 text") from None
    if not is_storable(text):
        raise UsageError("the standard input holds NUL, which no database can store")
    return text


def run_of(store: BeadStore, id: str | None) -> str | None:
    """The whole id of a run, ``NO_RUN`` where ``id`` is ``None``, ``None`` where it is ``all``.

    Raises UsageError if no run has this id and no bead belongs to it.
    """
    from state.errors import UsageError
    from state.filters import NO_RUN

    if id is None:
        return NO_RUN
    if id == "all":
        return None
    from state.runs import Runs

    try:
        return Runs(store).get(id).id
    except UsageError:
        if store.query(run_id=id, limit=1):  # Imported beads come without the record of their run.
            return id
        raise
