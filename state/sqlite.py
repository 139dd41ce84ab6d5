"""The state database as one SQLite file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from state import driver
from state.errors import StoreError

BUSY_TIMEOUT_S = 30.0
"""How long a transaction waits for another process to end its own."""

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


class Sqlite:
    """A file; see :class:`state.database.Backend`."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError if the file's folder cannot be created."""
        self.path = path.expanduser().absolute()
        self.name = str(self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot create the folder of state database {self.path} ({error.strerror}); "
                "set HARNESS_HOME to a writable folder"
            ) from error
        self.reader = create_engine(
            URL.create("sqlite", database=self.name),
            connect_args={"timeout": BUSY_TIMEOUT_S},
            max_overflow=-1,  # Each thread keeps its own, and there may be many threads.
            pool_reset_on_return=None,  # A transaction has always ended before.
        )
        self.writer: Engine = self.reader.execution_options(begin="BEGIN IMMEDIATE")
        self.claimer: Engine = self.writer
        event.listen(self.reader, "connect", _configure)
        event.listen(self.reader, "begin", _begin)

    def prepare(self) -> None:
        """See :func:`switch_to_wal`."""
        switch_to_wal(self.path)

    def refuse_read_only(self, connection: Connection) -> None:
        """SQLite lets a read-only file be opened, and begins a writing transaction on it too."""
        connection.exec_driver_sql("UPDATE meta SET value = value")

    @contextmanager
    def rebuilding(self) -> Iterator[Connection]:
        """Foreign keys rest meanwhile: to drop a table would delete what points to its rows."""
        with self.writer.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA foreign_keys = OFF")
            try:
                with connection.begin():
                    yield connection
            finally:
                driver.execute("PRAGMA foreign_keys = ON")

    def explain(self, error: BaseException | None) -> str:
        """See :func:`explain`."""
        return explain(error)


def switch_to_wal(path: Path) -> None:
    """Switch to write-ahead logging, once in a file's life; makes the file if need be.

    SQLite does not wait for the busy timeout when several processes switch a new file at the
    same moment, so this waits in its place.
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
    """What happened, by SQLite's result code."""
    return _EXPLANATIONS.get(_code(error), f"refused the operation: {error}")


def _code(error: BaseException | None) -> str:
    """SQLite's primary result code: ``SQLITE_BUSY`` for ``SQLITE_BUSY_SNAPSHOT`` too."""
    name: str = getattr(error, "sqlite_errorname", "")
    return "_".join(name.split("_")[:2])


def _configure(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # Python must not begin transactions; `_begin` does.
    connection.execute("PRAGMA foreign_keys = ON")
    # With WAL, NORMAL survives SIGKILL; only a power cut can lose the last commits.
    connection.execute("PRAGMA synchronous = NORMAL")
    # A statement that may be undone in part keeps a journal: in a file it takes as long as the rest.
    connection.execute("PRAGMA temp_store = MEMORY")


def _begin(connection: Connection) -> None:
    inner: Any = connection.connection.driver_connection
    if inner.in_transaction:
        return
    options: Any = connection.get_execution_options()
    try:
        driver.execute(connection, options.get("begin", "BEGIN"))
    except BaseException:  # Ctrl-C while it waits comes when it has begun.
        inner.rollback()
        raise


def in_transaction(connection: Connection) -> bool:
    """Whether the driver has begun a transaction, by SQLAlchemy's word or by :func:`transaction`."""
    inner: Any = connection.connection.driver_connection
    return bool(inner.in_transaction)


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """A writing transaction of the driver's own: SQLAlchemy takes longer to begin and end one.

    SQLAlchemy may join in on the way (``connection.begin()``); then it ends what it has joined.
    """
    inner: Any = connection.connection.driver_connection
    try:
        inner.execute("BEGIN IMMEDIATE")
        yield
        (connection if connection.in_transaction() else inner).commit()
    except BaseException:
        try:
            connection.rollback()  # Also of a transaction whose commit has failed.
        finally:
            inner.rollback()
        raise
