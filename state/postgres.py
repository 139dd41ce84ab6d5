"""The state database on a PostgreSQL server."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from state.errors import StoreError

CONNECT_TIMEOUT_S = 10
RESTED_S = 2.0
"""Seconds after which an unused connection may have lost its server."""
_LOCK = 0x68692D6D6F65
"""Number of the advisory lock that writers take; ``hi-moe`` in ASCII."""

_EXPLANATIONS = {
    "25006": "is read-only; use a server that accepts writes",
    "28": "refuses the login; check user and password in HARNESS_DATABASE_URL",
    "3D": "does not exist; create it with createdb",
    "42501": "does not grant the rights needed; use the owner of the database",
    "53100": "cannot grow: the server's disk is full; nothing was changed, free some space",
    "53300": "has no connection left; close some or raise max_connections",
    "57": "is shutting down or cancelled the operation; try again",
}


class Postgres:
    """A database on a server; see :class:`state.database.Backend`."""

    errors: tuple[type[Exception], ...] = (DBAPIError,)
    is_postgres = True

    def __init__(self, url: str) -> None:
        """Connect to the server at ``url``.

        Raises StoreError if the URL cannot be understood or the driver is missing.
        """
        try:
            parsed = make_url(url).set(drivername="postgresql+psycopg")
        except (ArgumentError, ValueError):
            raise StoreError(
                "HARNESS_DATABASE_URL is not a URL such as postgresql://USER@HOST:5432/NAME"
            ) from None
        self.name = f"{parsed.host or 'local socket'}/{parsed.database or parsed.username or ''}"
        try:
            self.reader = create_engine(
                parsed,
                isolation_level="REPEATABLE READ",
                connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "prepare_threshold": 1},
            )
        except ImportError as error:
            raise StoreError(
                f"state database {self.name} needs the PostgreSQL driver ({error}); "
                "pip install 'hi-moe[postgres]'"
            ) from error
        self.writer: Engine = self.reader.execution_options(isolation_level="READ COMMITTED")
        # A claim is one statement: where it is its own transaction it is one round trip.
        self.claimer: Engine = self.reader.execution_options(isolation_level="AUTOCOMMIT")
        event.listen(self.reader, "checkout", self._refuse_dead)
        event.listen(self.writer, "begin", _exclude_writers)

    def _refuse_dead(self, connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
        """Test a connection that was unused for a while; if it is broken, the pool opens another.

        SQLAlchemy's own ``pool_pre_ping`` tests each time, which costs a claim a third of its
        speed.
        """
        now = time.monotonic()
        if now - record.info.get("used", now) > RESTED_S:
            try:
                self.reader.dialect.do_ping(connection)
            except self.reader.dialect.loaded_dbapi.Error as error:
                raise DisconnectionError(str(error)) from error
        record.info["used"] = now

    def prepare(self) -> None:
        """Do nothing: the server's administrator has prepared it."""

    def reading(self) -> AbstractContextManager[Connection]:
        """See :class:`state.database.Backend`."""
        return self.reader.begin()

    def writing(self) -> AbstractContextManager[Connection]:
        """See :class:`state.database.Backend`; waits for an advisory lock."""
        return self.writer.begin()

    def claiming(self) -> AbstractContextManager[Connection]:
        """See :class:`state.database.Backend`."""
        return self.claimer.connect()

    asking = claiming

    def rebuilding(self) -> AbstractContextManager[Connection]:
        """See :class:`state.database.Backend`; tables change inside a transaction like rows."""
        return self.writer.begin()

    def close(self) -> None:
        """Close all connections."""
        self.reader.dispose()

    def explain(self, error: BaseException | None) -> str:
        """Why the server refused, by its SQLSTATE, or why there is no connection."""
        state: str = getattr(error, "sqlstate", None) or ""
        why = _EXPLANATIONS.get(state) or _EXPLANATIONS.get(state[:2])
        if why is not None:
            return why
        says = " ".join(str(error).split())
        if "does not exist" in says and "database" in says:
            return _EXPLANATIONS["3D"]
        if "too many clients" in says:  # A refused connection has no SQLSTATE.
            return _EXPLANATIONS["53300"]
        if not state:
            return f"does not answer; check HARNESS_DATABASE_URL and the server ({says})"
        return f"refused the operation: {says}"


def _exclude_writers(connection: Connection) -> None:
    """Exclude other writers, as on SQLite: what a transaction checked stays true until its end."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
