"""The folder in which runs keep their files."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from state.errors import StoreError


def home() -> Path:
    """The runs folder; it may not exist yet.

    ``HARNESS_HOME`` if set; else ``runs`` in the nearest folder upwards that holds a
    ``harness.toml``, a ``runs`` folder beside a ``pyproject.toml``, or a ``runs/state.db``; else
    ``./runs``.
    """
    chosen = os.environ.get("HARNESS_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    here = Path.cwd()
    for folder in (here, *here.parents):
        is_project = (folder / "runs").is_dir() and (folder / "pyproject.toml").is_file()
        has_state = (folder / "runs" / "state.db").is_file()
        if is_project or has_state or (folder / "harness.toml").is_file():
            return folder / "runs"
    return here / "runs"


def writable_home() -> Path:
    """Like :func:`home`, but created if needed. Raises StoreError if files cannot be written
    there."""
    import tempfile

    folder = home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Only a real write is conclusive: permission bits say nothing for root or about a read-only
        # disk.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        read_only = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
        why = "is read-only" if read_only else f"cannot be used ({error.strerror})"
        raise StoreError(
            f"runs folder {folder} {why}; set HARNESS_HOME to a writable folder"
        ) from error
    return folder


def database_url() -> str:
    """``HARNESS_DATABASE_URL`` if set, else the SQLite file in the runs folder.

    Raises StoreError if that folder cannot be written.
    """
    return os.environ.get("HARNESS_DATABASE_URL") or f"sqlite:///{writable_home() / 'state.db'}"


def checkpoint_path() -> Path:
    """LangGraph's checkpoint file, separate from the state. Raises StoreError if the folder cannot
    be written."""
    return writable_home() / "checkpoints.db"
