"""The SQLite file: opened, checked, and read and written in short transactions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session, SQLModel

from state.errors import StoreError
from state.models import SCHEMA_VERSION, Bead, Call, Dependency, Meta, Run

BUSY_TIMEOUT_S = 30.0
"""How long a transaction waits for another process to end its own."""

_TABLES: tuple[type[SQLModel], ...] = (Meta, Run, Bead, Dependency, Call)

_EXPLANATIONS = {
    "SQLITE_NOTADB": "is not a SQLite database; move the file away or set HARNESS_HOME",
    "SQLITE_CORRUPT": "is damaged; restore a copy or move the file away",
    "SQLITE_READONLY": "is read-only; set HARNESS_HOME to a writable folder",
    "SQLITE_CANTOPEN": "cannot be opened; set HARNESS_HOME to a writable folder",
    "SQLITE_BUSY": f"stayed locked by another process for {BUSY_TIMEOUT_S:.0f} s",
    "SQLITE_FULL": "cannot grow: the disk is full",
}


class Database:
    """One state database. ``read()`` and ``write()`` give a session inside one transaction.

    What a session returns stays usable after it: objects are detached with all fields loaded.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        self._reader = create_engine(
            URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_TIMEOUT_S}
        )
        self._writer = self._reader.execution_options(begin="BEGIN IMMEDIATE")
        event.listen(self._reader, "connect", _configure)
        event.listen(self._reader, "begin", _begin)

    @classmethod
    def open(cls, path_or_url: str | Path, clock: Callable[[], float] = time.time) -> Database:
        """Open the database at a path or ``sqlite:///`` URL, creating folder and tables.

        Raises StoreError, in one line, if it is no database of ours, comes from a newer program,
        or cannot be written.
        """
        path = _sqlite_path(path_or_url)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot create the folder of state database {path} ({error.strerror}); "
                "set HARNESS_HOME to a writable folder"
            ) from error
        database = cls(path, clock)
        try:
            database._enter_wal()
            with database.write() as session:
                _check_schema(session, path)
        except StoreError:
            database.close()
            raise
        return database

    def now(self) -> float:
        """Seconds since the epoch, to the microsecond."""
        return round(self._clock(), 6)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one snapshot of the database. Raises StoreError."""
        with self._transaction(self._reader) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that holds the write lock and commits on leaving. Raises StoreError."""
        with self._transaction(self._writer) as session:
            yield session

    def close(self) -> None:
        """Close all connections."""
        self._reader.dispose()

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Session]:
        try:
            with Session(engine, expire_on_commit=False) as session, session.begin():
                yield session
        except DBAPIError as error:
            raise self._explain(error.orig) from error
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def _enter_wal(self) -> None:
        """Switch to write-ahead logging, once in a file's life.

        SQLite does not wait for the busy timeout when several processes switch a new file at the
        same moment, so this waits in its place.
        """
        deadline = time.monotonic() + BUSY_TIMEOUT_S
        while True:
            try:
                connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S)
                try:
                    connection.execute("PRAGMA journal_mode = WAL")
                finally:
                    connection.close()
                return
            except sqlite3.Error as error:
                if _code(error) != "SQLITE_BUSY" or time.monotonic() > deadline:
                    raise self._explain(error) from error
                time.sleep(0.02)

    def _explain(self, error: BaseException | None) -> StoreError:
        why = _EXPLANATIONS.get(_code(error), f"refused the operation: {error}")
        return StoreError(f"state database {self.path} {why}")


def _code(error: BaseException | None) -> str:
    """SQLite's primary result code: ``SQLITE_BUSY`` for ``SQLITE_BUSY_SNAPSHOT`` too."""
    name: str = getattr(error, "sqlite_errorname", "")
    return "_".join(name.split("_")[:2])


def _sqlite_path(path_or_url: str | Path) -> Path:
    text = str(path_or_url)
    if "://" in text:
        scheme, _, rest = text.partition("://")
        if scheme != "sqlite" or len(rest) < 2 or not rest.startswith("/"):
            # The rest of the URL may hold a password, so the message does not repeat it.
            raise StoreError(f"state database URL must be sqlite:///PATH, not {scheme}://…")
        text = rest[1:]
    return Path(text).expanduser().absolute()


def _configure(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # Python must not begin transactions; `_begin` does.
    connection.execute("PRAGMA foreign_keys = ON")
    # With WAL, NORMAL survives SIGKILL; only a power cut can lose the last commits.
    connection.execute("PRAGMA synchronous = NORMAL")


def _begin(connection: Connection) -> None:
    options: Any = connection.get_execution_options()
    connection.exec_driver_sql(options.get("begin", "BEGIN"))


def _check_schema(session: Session, path: Path) -> None:
    connection = session.connection()
    tables = inspect(connection).get_table_names()
    if not tables:
        ours: list[Table] = [SQLModel.metadata.tables[str(t.__tablename__)] for t in _TABLES]
        SQLModel.metadata.create_all(connection, tables=ours)
        session.add(Meta(key="schema_version", value=str(SCHEMA_VERSION)))
        return
    version = session.get(Meta, "schema_version") if "meta" in tables else None
    if version is None or not version.value.isdigit():
        raise StoreError(
            f"state database {path} is a database of another program; set HARNESS_HOME"
        )
    if int(version.value) > SCHEMA_VERSION:
        raise StoreError(
            f"state database {path} has schema version {version.value}, but this program knows up "
            f"to {SCHEMA_VERSION}; upgrade hi-moe"
        )
    # SQLite lets a read-only file be opened, and begins an "immediate" transaction on it as well.
    connection.exec_driver_sql("UPDATE meta SET value = value")
