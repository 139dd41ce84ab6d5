"""Storage of LangGraph's checkpoints: a file in the runs folder, or the server of the state
database."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from state.database import Database
from state.errors import StoreError
from state.home import checkpoint_path
from state.sqlite import BUSY_TIMEOUT_S, explain, switch_to_wal

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver

MAKING_S = 60.0
"""Seconds that another process may take to create the tables."""
_LOCK = 0x68692D6D6F66
"""Number of the advisory lock under which the tables are created: the store's own number plus
one."""


def open_checkpoints(
    database: Database,
) -> AbstractAsyncContextManager[BaseCheckpointSaver[Any]]:
    """The saver for runs whose state is in ``database``, so that a run can be resumed wherever its
    state is available.

    With SQLite the checkpoints are in :func:`state.checkpoint_path`; with PostgreSQL they are in
    LangGraph's own tables in the same database. An exception of the driver becomes a StoreError of
    one line.
    """
    return _on_server(database) if database.is_postgres else _in_file()


@asynccontextmanager
async def _in_file() -> AsyncIterator[BaseCheckpointSaver[Any]]:
    import aiosqlite

    from state.lean_checkpoints import LeanSqliteSaver

    path = checkpoint_path()
    try:
        # The saver's own setup does not wait while another run creates the file.
        switch_to_wal(path)
        async with aiosqlite.connect(path, timeout=BUSY_TIMEOUT_S) as connection:
            saver = LeanSqliteSaver(connection)
            try:
                yield saver
            finally:
                # A run that ends by an exception leaves writes of its other tasks behind: one cut off
                # within its transaction, others that wait for the saver's lock. A connection that is
                # closed under them keeps the file locked for as long as their cursors live.
                async with saver.lock:
                    await connection.rollback()
                    await connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"checkpoint file {path} {explain(error)}") from error


@asynccontextmanager
async def _on_server(database: Database) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    from state.postgres import CONNECT_TIMEOUT_S, Postgres

    try:
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
        from psycopg import AsyncConnection, Error
        from psycopg.rows import dict_row
        from psycopg_pool import AsyncConnectionPool
    except ImportError as error:
        raise StoreError(
            f"checkpoints on {database.backend.name} need LangGraph's saver ({error}); "
            "pip install 'hi-moe[postgres]'"
        ) from error

    assert isinstance(database.backend, Postgres)
    engine = database.backend.reader
    _, options = engine.dialect.create_connect_args(engine.url)
    options = {
        "connect_timeout": CONNECT_TIMEOUT_S, **options,
        "autocommit": True, "prepare_threshold": 0, "row_factory": dict_row,
    }  # fmt: skip
    try:
        async with await AsyncConnection.connect(**options) as connection:
            await _make_tables(AsyncPostgresSaver(connection), connection)
        # A model call may outlive a connection, so each connection is checked before it is used.
        pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            kwargs=options, min_size=0, max_size=1, open=False, timeout=CONNECT_TIMEOUT_S,
            check=AsyncConnectionPool.check_connection,
        )  # fmt: skip
        async with pool:
            yield AsyncPostgresSaver(pool)
    except Error as error:
        why = database.backend.explain(error)
        raise StoreError(f"checkpoints on {database.backend.name}: the server {why}") from error


async def _make_tables(saver: Any, connection: Any) -> None:
    """Create the tables where they are missing, in one process at a time.

    The lock is polled, not waited for: the saver runs ``CREATE INDEX CONCURRENTLY``, which would
    itself wait for any process that waits inside a statement.
    """
    deadline = time.monotonic() + MAKING_S
    while not await _are_there(saver, connection):
        answer = await connection.execute(f"SELECT pg_try_advisory_lock({_LOCK}) AS got")
        if (await answer.fetchone())["got"]:
            try:
                await saver.setup()
            finally:
                await connection.execute(f"SELECT pg_advisory_unlock({_LOCK})")
            return
        if time.monotonic() > deadline:
            raise StoreError(
                f"another process has been making the tables for checkpoints for {MAKING_S:.0f} s; "
                "see on the server what holds it up, then try again"
            )
        await asyncio.sleep(0.05)


async def _are_there(saver: Any, connection: Any) -> bool:
    answer = await connection.execute("SELECT to_regclass('checkpoint_migrations') AS it")
    if (await answer.fetchone())["it"] is None:
        return False
    answer = await connection.execute("SELECT max(v) AS v FROM checkpoint_migrations")
    return bool((await answer.fetchone())["v"] == len(saver.MIGRATIONS) - 1)
