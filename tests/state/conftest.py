"""Fixtures of the tests of ``state``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from state import BeadStore
from tests.state.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[BeadStore]:
    store = BeadStore.open(tmp_path / "state.db", clock)
    yield store
    store.close_database()
