"""One state database, SQLite or PostgreSQL, read and written in short transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from state import frontier, schema, sqlite
from state.errors import NoStoreError, StoreError
from state.transactions import Transaction

if TYPE_CHECKING:
    from sqlalchemy import Connection

BUSY_TIMEOUT_S = sqlite.BUSY_TIMEOUT_S
SERVERS = ("postgresql", "postgres", "postgresql+psycopg")
"""Schemes of URLs that mean a PostgreSQL server."""


class Backend(Protocol):
    """What differs from one kind of database to the other: :mod:`state.sqlite`, `state.postgres`.

    A transaction of ``writing`` excludes other writers from its beginning, so that what it has read
    stays true until it commits. The connections are what :class:`state.transactions.Transaction` takes.
    """

    is_postgres: bool
    errors: tuple[type[Exception], ...]
    """What the driver raises."""

    @property
    def name(self) -> str:
        """The database in messages, without its password."""
        ...

    def prepare(self) -> None:
        """Do what has to be done before the first transaction on a new database."""

    def reading(self) -> AbstractContextManager[Any]:
        """A transaction that sees one moment."""
        ...

    def writing(self) -> AbstractContextManager[Any]:
        """A transaction that is the only writing one."""
        ...

    def claiming(self) -> AbstractContextManager[Any]:
        """For one statement: where rows can be locked one by one it waits for no other writer."""
        ...

    def asking(self) -> AbstractContextManager[Any]:
        """For one query."""
        ...

    def rebuilding(self) -> AbstractContextManager[Connection]:
        """A writing transaction in which tables may be dropped and made again."""
        ...

    def close(self) -> None:
        """Close all connections."""

    def explain(self, error: BaseException | None) -> str:
        """Why the database refused, as the end of a sentence that begins with ``name``."""
        ...


class Database:
    """``reading()`` and ``writing()`` give a transaction; what it returns are copies."""

    def __init__(self, backend: Backend, clock: Callable[[], float] = time.time) -> None:
        self.backend = backend
        self._clock = clock

    @classmethod
    def open(
        cls, path_or_url: str | Path, clock: Callable[[], float] = time.time, *, create: bool = True
    ) -> Database:
        """Open the database at a path, ``sqlite:///PATH`` or ``postgresql://…``.

        A new one gets its tables, an older one is brought up to date. Without ``create`` nothing is
        made that is not there. Raises StoreError, in one line, if it is no database of ours, comes
        from a newer program, or cannot be written; NoStoreError, without ``create``, if there is none.
        """
        database = cls(_backend(path_or_url, create=create), clock)
        try:
            if create:
                database._make()
            else:
                database._find()
        except StoreError:
            database.close()
            raise
        return database

    def _make(self) -> None:
        with self._explained():
            self.backend.prepare()
        try:
            with self.writing() as tx:
                current = schema.is_current(tx, self.backend.name)
                # SQLite lets a read-only file be opened, and begins a writing transaction on it too.
                tx.run("UPDATE meta SET value = value")
        except NoStoreError:
            current = False
        if not current:
            self._upgrade()

    def _find(self) -> None:
        if isinstance(self.backend, sqlite.Sqlite):
            self.backend.refuse_missing()
        with self.reading() as tx:
            current = schema.is_current(tx, self.backend.name)
        if not current:
            self._upgrade()

    def _upgrade(self) -> None:
        with self._explained(), self.backend.rebuilding() as connection:
            schema.upgrade(connection)

    @property
    def is_postgres(self) -> bool:
        """Whether this is PostgreSQL, not SQLite."""
        return self.backend.is_postgres

    def now(self) -> float:
        """Seconds since the epoch, to the microsecond."""
        return round(self._clock(), 6)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A transaction that sees one snapshot of the database. Raises StoreError."""
        with self._explained(), self.backend.reading() as connection:
            yield Transaction(connection)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """A transaction that excludes other writers and commits on leaving. Raises StoreError."""
        with self._explained(), self.backend.writing() as connection:
            tx = Transaction(connection)
            yield tx
            frontier.settle(tx)

    @contextmanager
    def claiming(self) -> Iterator[Transaction]:
        """A transaction of one statement, see :meth:`Backend.claiming`. Raises StoreError."""
        with self._explained(), self.backend.claiming() as connection:
            yield Transaction(connection)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """What one query finds: it sees one moment, so it needs no transaction."""
        with self._explained(), self.backend.asking() as connection:
            return Transaction(connection).rows(sql, parameters)

    def close(self) -> None:
        """Close all connections."""
        self.backend.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except self.backend.errors as error:
            raise self.explain(getattr(error, "orig", error)) from error

    def explain(self, error: BaseException | None) -> StoreError:
        """What a driver's error means to the user."""
        return StoreError(f"state database {self.backend.name} {self.backend.explain(error)}")


def _backend(path_or_url: str | Path, *, create: bool) -> Backend:
    text = str(path_or_url)
    file = sqlite_file(text)
    if file is not None:
        return sqlite.Sqlite(file, create=create)
    scheme = text.partition("://")[0]
    if scheme in SERVERS:
        from state import postgres  # Its library takes longer to import than most commands take.

        return postgres.Postgres(text)
    # The rest of the URL may hold a password, so the message does not repeat it.
    raise StoreError(
        f"state database URL must be sqlite:///PATH or postgresql://…, not {scheme}://…"
    )


def sqlite_file(path_or_url: str) -> Path | None:
    """The file that a path or a URL means; ``None`` for a URL of another kind."""
    scheme, separator, rest = path_or_url.partition("://")
    if not separator:
        return Path(path_or_url)
    if scheme == "sqlite" and len(rest) > 1 and rest.startswith("/"):
        return Path(rest[1:])
    return None
