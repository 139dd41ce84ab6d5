"""One state database, SQLite or PostgreSQL, accessed in short transactions."""

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
    """The differences between kinds of database: see :mod:`state.sqlite` and `state.postgres`.

    A transaction of ``writing`` excludes other writers from its beginning, so that the rows it has
    read stay current until it commits. The connections are those that
    :class:`state.transactions.Transaction` takes.
    """

    is_postgres: bool
    errors: tuple[type[Exception], ...]
    """Exceptions that the driver raises."""

    @property
    def name(self) -> str:
        """Name of the database for messages, without its password."""
        ...

    def prepare(self) -> None:
        """Prepare a new database before its first transaction."""

    def reading(self) -> AbstractContextManager[Any]:
        """A transaction that sees one snapshot."""
        ...

    def writing(self) -> AbstractContextManager[Any]:
        """A transaction that excludes all other writers."""
        ...

    def claiming(self) -> AbstractContextManager[Any]:
        """A transaction for one statement; a database that can lock single rows does not make it
        wait for other writers."""
        ...

    def asking(self) -> AbstractContextManager[Any]:
        """A transaction for one query."""
        ...

    def rebuilding(self) -> AbstractContextManager[Connection]:
        """A writing transaction in which tables may be dropped and recreated."""
        ...

    def close(self) -> None:
        """Close all connections."""

    def explain(self, error: BaseException | None) -> str:
        """Why the database refused, as the end of a sentence that begins with ``name``."""
        ...


class Database:
    """An open database. ``reading()`` and ``writing()`` give a transaction; the records that it
    returns are copies."""

    def __init__(self, backend: Backend, clock: Callable[[], float] = time.time) -> None:
        self.backend = backend
        self._clock = clock

    @classmethod
    def open(
        cls, path_or_url: str | Path, clock: Callable[[], float] = time.time, *, create: bool = True
    ) -> Database:
        """Open the database at a path, ``sqlite:///PATH`` or ``postgresql://…``.

        A new database gets its tables, an older one is migrated. Without ``create`` a missing
        database is not created. Raises StoreError, in one line, if it is no state database, comes
        from a newer version, or cannot be written; NoStoreError, without ``create``, if there is
        none.
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
                # SQLite opens a read-only file without an error, and even begins a writing
                # transaction on it.
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
        """The rows of one query; a single query sees one snapshot, so it needs no transaction."""
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
        """A StoreError that explains a driver's error to the user."""
        return StoreError(f"state database {self.backend.name} {self.backend.explain(error)}")


def _backend(path_or_url: str | Path, *, create: bool) -> Backend:
    text = str(path_or_url)
    file = sqlite_file(text)
    if file is not None:
        return sqlite.Sqlite(file, create=create)
    scheme = text.partition("://")[0]
    if scheme in SERVERS:
        from state import postgres  # The driver takes longer to import than most commands take.

        return postgres.Postgres(text)
    # The rest of the URL may hold a password, so the message does not repeat it.
    raise StoreError(
        f"state database URL must be sqlite:///PATH or postgresql://…, not {scheme}://…"
    )


def sqlite_file(path_or_url: str) -> Path | None:
    """The file that a path or a URL names; ``None`` for a URL of another kind."""
    scheme, separator, rest = path_or_url.partition("://")
    if not separator:
        return Path(path_or_url)
    if scheme == "sqlite" and len(rest) > 1 and rest.startswith("/"):
        return Path(rest[1:])
    return None
