"""What the bead commands share: options, the store they work on, ids for the shell to complete."""

from __future__ import annotations

import getpass
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.look import help_alone

if TYPE_CHECKING:
    from state import BeadStore

bead = typer.Typer(
    help="Issues and shared memory: beads with dependencies, in one store.",
    epilog="Exit codes: 0 done, 1 nothing to claim or something found wrong, 2 usage, "
    "4 the store cannot be used.",
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


@contextmanager
def opened(context: typer.Context, *, looking: bool = False) -> Iterator[BeadStore]:
    """The store that the command line means. ``looking`` at one that is not there creates nothing.

    Raises StoreError.
    """
    with _opened(_chosen(context), looking=looking) as store:
        yield store


def _chosen(context: typer.Context) -> str | None:
    above: Any = context  # typer does not export the type of a context's parent
    while above is not None:
        if isinstance(above.obj, str):
            return above.obj
        if isinstance(above.params.get("db"), str):  # while the shell completes
            return str(above.params["db"])
        above = above.parent
    return None


@contextmanager
def _opened(chosen: str | None, *, looking: bool) -> Iterator[BeadStore]:
    from state import BeadStore, database_url, home

    url = chosen or os.environ.get("HARNESS_DATABASE_URL")
    file = _file(url) if url else home() / "state.db"
    with tempfile.TemporaryDirectory() as empty:
        if looking and file is not None and not file.exists():
            url = str(Path(empty, "state.db"))
        store = BeadStore.open(url or database_url())
        try:
            yield store
        finally:
            store.close_database()


def _file(url: str) -> Path | None:
    """The file that a URL means; ``None`` for a server."""
    if url.startswith("sqlite:///"):
        url = url.removeprefix("sqlite:///")
    return None if "://" in url else Path(url).expanduser()


def complete_id(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids that begin so, each with its title, for the shell."""
    from harness.progress import one_line
    from state.errors import HarnessError
    from state.tracker import Tracker

    try:
        with opened(context, looking=True) as store:
            found = Tracker(store).ids(incomplete)
    except HarnessError:  # a shell that completes has no place for an explanation
        return []
    return [(id, one_line(title)) for id, title in found]


def me() -> str:
    """Who works here: HARNESS_ACTOR, or the login."""
    try:
        return os.environ.get("HARNESS_ACTOR") or getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
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
Type = Annotated[
    str | None,
    typer.Option(
        "--type", "-t", help="epic, task, bug, feature, chore, step, decision, outcome, …"
    ),
]
Priority = Annotated[str | None, typer.Option("--priority", "-p", help="0 (most urgent) to 4.")]
Assignee = Annotated[str | None, typer.Option("--assignee", "-a", help="Whose it is.")]
Label = Annotated[str | None, typer.Option("--label", "-l", help="Only those with this label.")]
RunId = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="Those of this run, or all; without it, those that no run made.",
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", "-n", help="At most so many.")]


def limit_of(limit: int | None) -> int | None:
    """``limit``, checked. Raises UsageError."""
    from state.errors import UsageError

    if limit is not None and limit < 1:
        raise UsageError(f"--limit: should be greater than 0, not {limit}")
    return limit


def priority_of(text: str | None) -> int | None:
    """``2`` or ``P2`` as a number. Raises UsageError."""
    from state.errors import UsageError

    if text is None:
        return None
    digits = text.removeprefix("P").removeprefix("p")
    if digits not in ("0", "1", "2", "3", "4"):
        raise UsageError(f"--priority: is 0 (most urgent) to 4, not {text}")
    return int(digits)


def run_of(store: BeadStore, id: str | None) -> str | None:
    """The whole id of a run, ``NO_RUN`` where none is named, ``None`` for all.

    Raises UsageError where neither run nor bead knows it."""
    from state import Runs, UsageError
    from state.filters import NO_RUN

    if id is None:
        return NO_RUN
    if id == "all":
        return None
    try:
        return Runs(store).get(id).id
    except UsageError:
        if store.query(run_id=id, limit=1):  # imported beads come without the record of their run
            return id
        raise
