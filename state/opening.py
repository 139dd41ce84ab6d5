"""Opens an existing store for reading or changing; a missing store is not created."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from state.errors import NoStoreError
from state.home import home
from state.store import BeadStore


def named_place() -> str | None:
    """The place of the store in the environment, if it is set."""
    return os.environ.get("HARNESS_DATABASE_URL") or None


@contextmanager
def existing(place: str | None = None) -> Iterator[BeadStore | None]:
    """The store at ``place``, else at the place in the environment, else in the runs folder.

    ``None`` where the runs folder has none yet. Raises NoStoreError where there is none at a named
    place, and StoreError where none can be.
    """
    named = place or named_place()
    try:
        store = BeadStore.open(named or home() / "state.db", create=False)
    except NoStoreError:
        if named:
            raise
        yield None
        return
    try:
        yield store
    finally:
        store.close_database()
