"""Fixtures that the tests of several packages share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import postgres

# No unit test is timed: a busy machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server that lives as long as the tests."""
    with postgres.server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_shared(postgres_server: str) -> str:
    """A state database on the server; each test that uses it empties it first."""
    from state import BeadStore

    url = postgres.new_database(postgres_server)
    BeadStore.open(url).close_database()
    return url


@pytest.fixture
def postgres_url(postgres_shared: str) -> str:
    """A state database without rows."""
    postgres.empty(postgres_shared)
    return postgres_shared


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
