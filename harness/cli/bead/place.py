"""Which store the command line means, and what is said where there is none yet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from state import BeadStore

_ABSENT = "no store yet"
"""Key of a context under which it is noted that the store is not there."""


@contextmanager
def made(context: typer.Context) -> Iterator[BeadStore]:
    """The store, made if it is not there. Raises StoreError."""
    from state import BeadStore, database_url

    with _closing(BeadStore.open(_named(context) or database_url())) as store:
        yield store


@contextmanager
def existing(context: typer.Context, *names: str, dry: bool = False) -> Iterator[BeadStore]:
    """The store as it is: nothing is made.

    Where no store is named and the usual place has none yet, an empty one stands for it, and
    :func:`absent` says so. Raises NoStoreError for a place that was named (unless ``dry``), and
    UsageError for ``names`` of beads, which cannot be there.
    """
    from state import BeadStore, NoStoreError, UsageError, home

    named = _named(context)
    try:
        store = BeadStore.open(named or home() / "state.db", create=False)
    except NoStoreError as missing:
        if named and not dry:
            raise
        if names:
            raise UsageError(f"unknown bead id {names[0]!r}: {_no_store(missing.place)}") from None
        context.meta[_ABSENT] = missing.place
        import tempfile

        with tempfile.TemporaryDirectory() as folder, _empty(folder) as store:
            yield store
        return
    with _closing(store):
        yield store


def _empty(folder: str) -> AbstractContextManager[BeadStore]:
    from state import BeadStore

    return _closing(BeadStore.open(Path(folder, "state.db")))


def absent(context: typer.Context) -> str:
    """A line for the user if :func:`existing` found no store, else nothing."""
    place = context.meta.get(_ABSENT)
    return _no_store(place) if place else ""


def _no_store(place: str) -> str:
    return f"no store yet at {place}; `harness bead create` or `harness run` makes one"


@contextmanager
def _closing(store: BeadStore) -> Iterator[BeadStore]:
    try:
        yield store
    finally:
        store.close_database()


def _named(context: typer.Context) -> str | None:
    """The place that the user named: ``--db``, else HARNESS_DATABASE_URL."""
    above: Any = context  # typer does not export the type of a context's parent
    while above is not None:
        if isinstance(above.obj, str):
            return above.obj
        if isinstance(above.params.get("db"), str):  # while the shell completes
            return str(above.params["db"])
        above = above.parent
    return os.environ.get("HARNESS_DATABASE_URL") or None
