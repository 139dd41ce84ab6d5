"""The state database as one SQLite file."""

from __future__ import annotations

import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from state.errors import NoStoreError, StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

BUSY_TIMEOUT_S = 30.0
"""Seconds that a transaction waits for another process to end its own."""

Error = sqlite3.Error

_EXPLANATIONS = {
    "SQLITE_NOTADB": "is not a SQLite database; move the file away or set HARNESS_HOME",
    "SQLITE_CORRUPT": "is damaged; restore a copy or move the file away",
    "SQLITE_READONLY": "is read-only; set HARNESS_HOME to a writable folder",
    "SQLITE_CANTOPEN": "cannot be opened; set HARNESS_HOME to a writable folder",
    "SQLITE_BUSY": f"stayed locked by another process for {BUSY_TIMEOUT_S:.0f} s",
    "SQLITE_FULL": "cannot grow: the disk is full; nothing was changed, free some space",
    "SQLITE_IOERR": "cannot be read or written: the disk is full or failing; nothing was changed",
}


class _Connection(sqlite3.Connection):
    """A connection that supports weak references."""


class _Idle(threading.local):
    """A thread's connections outside any transaction; the most recently used one is last."""

    def __init__(self) -> None:
        self.stack: list[_Connection] = []


class Sqlite:
    """A file; see :class:`state.database.Backend`."""

    errors: tuple[type[Exception], ...] = (sqlite3.Error,)
    is_postgres = False

    def __init__(self, path: Path, *, create: bool) -> None:
        """Use the file at ``path``.

        Raises StoreError if its folder cannot be created.
        """
        self.path = path.expanduser().absolute()
        self.name = str(self.path)
        self._idle, self._all = _Idle(), WeakSet[_Connection]()
        if not create:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot create the folder of state database {self.path} ({error.strerror}); "
                "set HARNESS_HOME to a writable folder"
            ) from error

    def refuse_missing(self) -> None:
        """Raise NoStoreError where the file is missing, StoreError where there can be none."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            raise NoStoreError(self.name) from None
        except OSError as error:
            raise StoreError(
                f"state database {self.path} cannot be opened ({error.strerror}); check the path"
            ) from error
        if stat.S_ISDIR(status.st_mode):
            raise StoreError(f"state database {self.path} is a folder; name the file in it")
        if status.st_size == 0:
            raise NoStoreError(self.name)

    def prepare(self) -> None:
        """Switch the file to write-ahead logging; see :func:`switch_to_wal`."""
        switch_to_wal(self.path)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """See :class:`state.database.Backend`."""
        with self._lent() as connection, _transaction(connection, "BEGIN"):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """See :class:`state.database.Backend`; waits for the one write lock there is."""
        with self._lent() as connection, _transaction(connection, "BEGIN IMMEDIATE"):
            yield connection

    claiming = writing

    @contextmanager
    def asking(self) -> Iterator[sqlite3.Connection]:
        """See :class:`state.database.Backend`; a single query sees one snapshot anyway."""
        with self._lent() as connection:
            yield connection

    @contextmanager
    def _lent(self) -> Iterator[_Connection]:
        """A connection that this thread keeps: the most recently used one, whose cache still holds
        the pages that it wrote. A nested transaction gets a connection of its own."""
        stack = self._idle.stack
        connection = stack.pop() if stack else self._connect()
        try:
            yield connection
        finally:
            stack.append(connection)

    def _connect(self) -> _Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False,
            factory=_Connection,
        )  # fmt: skip
        _configure(connection)
        self._all.add(connection)
        return connection

    @contextmanager
    def rebuilding(self) -> Iterator[Connection]:
        """See :class:`state.database.Backend`. Foreign keys are off, because dropping a table would
        delete the rows that point to it."""
        from sqlalchemy import create_engine, event
        from sqlalchemy.exc import DBAPIError
        from sqlalchemy.pool import StaticPool

        inner = self._connect()
        engine = create_engine("sqlite://", creator=lambda: inner, poolclass=StaticPool)
        # The driver must not begin transactions by itself, or dropped tables could not be restored.
        event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
        inner.execute("PRAGMA foreign_keys = OFF")
        try:
            with engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise error.orig or error from error
        finally:
            inner.close()

    def close(self) -> None:
        """Close all connections; the next use opens new ones."""
        for connection in tuple(self._all):
            connection.close()
        self._idle, self._all = _Idle(), WeakSet()

    def explain(self, error: BaseException | None) -> str:
        """See :func:`explain`."""
        return explain(error)


def switch_to_wal(path: Path) -> None:
    """Switch to write-ahead logging, once in a file's life; creates the file if needed.

    SQLite ignores the busy timeout when several processes switch a new file at the same moment, so
    this function waits instead.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            finally:
                connection.close()
            return
        except sqlite3.Error as error:
            if _code(error) != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def explain(error: BaseException | None) -> str:
    """The meaning of an error, by SQLite's result code."""
    return _EXPLANATIONS.get(_code(error), f"refused the operation: {error}")


def _code(error: BaseException | None) -> str:
    """SQLite's primary result code: ``SQLITE_BUSY`` for ``SQLITE_BUSY_SNAPSHOT`` too."""
    name: str = getattr(error, "sqlite_errorname", "")
    return "_".join(name.split("_")[:2])


def _configure(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    # With WAL, NORMAL survives SIGKILL; only a power cut can lose the last commits.
    connection.execute("PRAGMA synchronous = NORMAL")
    # A statement that may be undone in part keeps a journal: in a file it takes as long as the rest.
    connection.execute("PRAGMA temp_store = MEMORY")


@contextmanager
def _transaction(connection: Any, begin: str) -> Iterator[None]:
    try:
        connection.execute(begin)
        yield
        connection.commit()
    except BaseException:  # Ctrl-C while it waits comes when it has begun.
        connection.rollback()
        raise
