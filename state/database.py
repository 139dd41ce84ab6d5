"""One state database, SQLite or PostgreSQL, read and written in short transactions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakSet

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from state import driver, frontier, postgres, schema, sqlite
from state.errors import StoreError

BUSY_TIMEOUT_S = sqlite.BUSY_TIMEOUT_S


class Backend(Protocol):
    """What differs from one kind of database to the other: :mod:`state.sqlite`, `state.postgres`.

    ``reader`` and ``writer`` share one pool of connections. A transaction of the writer excludes
    other writers from its beginning, so that what it has read stays true until it commits.
    """

    name: str
    """The database in messages, without its password."""
    reader: Engine
    writer: Engine
    claimer: Engine
    """For claims: where rows can be locked one by one it does not wait for other writers."""

    def prepare(self) -> None:
        """Do what has to be done before the first transaction."""

    def refuse_read_only(self, connection: Connection) -> None:
        """Fail as a write would, if writes would."""

    @contextmanager
    def rebuilding(self) -> Iterator[Connection]:
        """A writing transaction in which tables may be dropped and made again."""
        ...

    def explain(self, error: BaseException | None) -> str:
        """Why the database refused, as the end of a sentence that begins with ``name``."""
        ...


class _Held(threading.local):
    """The connections that a thread keeps."""

    def __init__(self) -> None:
        self.by_engine: dict[Engine, Connection] = {}


class Database:
    """``read()`` and ``write()`` give a session inside one transaction.

    What a session returns stays usable after it: objects are detached with all fields loaded.
    """

    def __init__(self, backend: Backend, clock: Callable[[], float] = time.time) -> None:
        self.backend = backend
        self._clock = clock
        self._dialect = backend.reader.dialect.name
        self._held, self._all_held = _Held(), WeakSet[Connection]()

    @classmethod
    def open(cls, path_or_url: str | Path, clock: Callable[[], float] = time.time) -> Database:
        """Open the database at a path, ``sqlite:///PATH`` or ``postgresql://…``.

        A new one gets its tables, an older one is brought up to date. Raises StoreError, in one
        line, if it is no database of ours, comes from a newer program, or cannot be written.
        """
        database = cls(_backend(path_or_url), clock)
        try:
            with database._explained():
                database.backend.prepare()
            with database.writing() as connection:
                current = schema.is_current(connection, database.backend.name)
                database.backend.refuse_read_only(connection)
            if not current:
                with database._explained(), database.backend.rebuilding() as connection:
                    schema.upgrade(connection)
        except StoreError:
            database.close()
            raise
        return database

    @property
    def is_postgres(self) -> bool:
        """Whether this is PostgreSQL, not SQLite."""
        return self._dialect == "postgresql"

    def now(self) -> float:
        """Seconds since the epoch, to the microsecond."""
        return round(self._clock(), 6)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one snapshot of the database. Raises StoreError."""
        with self._explained():
            session = Session(self.backend.reader, expire_on_commit=False)
            with session, session.begin():
                yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that excludes other writers and commits on leaving. Raises StoreError."""
        with self._explained():
            session = Session(self.backend.writer, expire_on_commit=False)
            with session, session.begin():
                yield session
                frontier.settle(session)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """As :meth:`read`, a bare connection: for queries whose every microsecond counts."""
        with self._explained(), self._transaction(self.backend.reader) as connection:
            yield connection

    @contextmanager
    def writing(self, *, claim: bool = False) -> Iterator[Connection]:
        """As :meth:`write`, a bare connection; what may be worked on next is yours to settle."""
        engine = self.backend.claimer if claim else self.backend.writer
        with self._explained(), self._transaction(engine) as connection:
            yield connection

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """What one query finds, see :meth:`run`: it sees one moment, so it needs no transaction."""
        with self._explained():
            if self.is_postgres:
                with self.backend.claimer.connect() as connection:
                    return list(driver.run(connection, sql, parameters).fetchall())
            # The writer's connection still holds the pages that it wrote; for any other SQLite
            # reads all pages anew after a write.
            writer = self.backend.writer
            connection = self._held.by_engine.get(writer) or self._hold(writer)
            if not sqlite.in_transaction(connection):
                return list(driver.run(connection, sql, parameters).fetchall())
        with self.reading() as connection:
            return list(driver.run(connection, sql, parameters).fetchall())

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        """A transaction on the connection that this thread holds, where connections cost nothing.

        To take one from the pool and give it back takes as long as a short query.
        """
        if self.is_postgres:
            with engine.begin() as connection:
                yield connection
            return
        connection = self._held.by_engine.get(engine) or self._hold(engine)
        if sqlite.in_transaction(connection):  # One inside the other: as the pool would do it.
            with engine.begin() as other:
                yield other
            return
        if engine is not self.backend.writer:
            with connection.begin():
                yield connection
            return
        with sqlite.transaction(connection):
            yield connection

    @contextmanager
    def session(self, connection: Connection) -> Iterator[Session]:
        """A session inside the transaction that ``connection`` has, which it leaves open."""
        if not connection.in_transaction():
            connection.begin()
        with Session(connection, join_transaction_mode="rollback_only") as session:
            yield session

    def _hold(self, engine: Engine) -> Connection:
        connection = self._held.by_engine[engine] = engine.connect()
        self._all_held.add(connection)
        return connection

    def run(
        self, connection: Connection, sql: str, parameters: Mapping[str, Any] | None = None
    ) -> Any:
        """See :func:`state.driver.run`."""
        return driver.run(connection, sql, parameters)

    def close(self) -> None:
        """Close all connections."""
        for connection in tuple(self._all_held):
            connection.close()
        self._held, self._all_held = _Held(), WeakSet()
        self.backend.reader.dispose()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self.explain(error.orig) from error
        except sqlite.Error as error:
            raise self.explain(error) from error

    def explain(self, error: BaseException | None) -> StoreError:
        """What a driver's error means to the user."""
        return StoreError(f"state database {self.backend.name} {self.backend.explain(error)}")


def _backend(path_or_url: str | Path) -> Backend:
    text = str(path_or_url)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return sqlite.Sqlite(Path(text))
    if scheme == "sqlite" and len(rest) > 1 and rest.startswith("/"):
        return sqlite.Sqlite(Path(rest[1:]))
    if scheme in postgres.SCHEMES:
        return postgres.Postgres(text)
    # The rest of the URL may hold a password, so the message does not repeat it.
    raise StoreError(
        f"state database URL must be sqlite:///PATH or postgresql://…, not {scheme}://…"
    )
