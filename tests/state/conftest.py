"""What the tests of the state room share."""

from __future__ import annotations

import os
import shutil
import tempfile
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


@pytest.fixture
def unprivileged_folder() -> Iterator[Path]:
    """A folder that anybody may enter, with root's rights dropped: file permissions bind."""
    folder = Path(tempfile.mkdtemp(prefix="hi-moe-"))
    was_root = os.geteuid() == 0
    if was_root:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    yield folder
    if was_root:
        os.seteuid(0)
    folder.chmod(0o755)
    shutil.rmtree(folder)
