"""The store that the command line names, and the messages for a missing store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from state import BeadStore


@contextmanager
def made(context: typer.Context) -> Iterator[BeadStore]:
    """The store, created if it is missing. Raises StoreError."""
    from state import BeadStore, database_url

    with _closing(BeadStore.open(_named(context) or database_url())) as store:
        yield store


@contextmanager
def existing(
    context: typer.Context, *names: str, absent: Callable[[str], None] | None = None
) -> Iterator[BeadStore]:
    """The existing store; nothing is created.

    Where no store is named and the usual place has none yet, ``absent`` is called with a message,
    and the command succeeds. Raises NoStoreError if there is none at a named place, and UsageError
    for ``names`` of beads, which cannot exist without a store.
    """
    from state.errors import UsageError
    from state.opening import existing as opened

    with opened(_named(context)) as store:
        if store is not None:
            yield store
            return
        if absent is None:
            raise UsageError(f"unknown bead id {names[0]!r}: {_no_store()}")
        absent(_no_store())
        raise typer.Exit


def telling(as_json: bool, empty: Any = ()) -> Callable[[str], None]:
    """The function to call for a missing store: it prints a message, or the JSON of an empty
    store."""

    def tell(note: str) -> None:
        from harness.cli.bead.render import print_json
        from harness.ui.text_tables import say

        if as_json:
            print_json(empty)
        else:
            say(note)

    return tell


@contextmanager
def tried(context: typer.Context) -> Iterator[BeadStore]:
    """The store, or an empty temporary one where there is none. Raises StoreError."""
    import tempfile

    from state import BeadStore, NoStoreError
    from state.opening import existing as opened

    with ExitStack() as stack:
        try:
            store = stack.enter_context(opened(_named(context)))
        except NoStoreError:
            store = None
        if store is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            store = stack.enter_context(_closing(BeadStore.open(Path(folder, "state.db"))))
        yield store


def _no_store() -> str:
    from state import home

    place = home() / "state.db"
    return f"no store yet at {place}; `harness bead create` or `harness run` makes one"


@contextmanager
def _closing(store: BeadStore) -> Iterator[BeadStore]:
    try:
        yield store
    finally:
        store.close_database()


def _named(context: typer.Context) -> str | None:
    """The place that the command line names, if any."""
    above: Any = context  # typer does not export the type of a context's parent
    while above is not None:
        if isinstance(above.obj, str):
            return above.obj
        # During completion in the shell, the option is only here.
        if isinstance(above.params.get("db"), str):
            return str(above.params["db"])
        above = above.parent
    return None
