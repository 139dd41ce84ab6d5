"""Where LangGraph keeps its checkpoints: a file in the runs folder, or the server of the state."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from state.database import Database
from state.errors import StoreError
from state.home import checkpoint_path
from state.sqlite import BUSY_TIMEOUT_S, explain, switch_to_wal

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver

_LOCK = 0x68692D6D6F66
"""Number of the advisory lock under which the tables are made; the store's own, and one."""


def open_checkpoints(
    database: Database,
) -> AbstractAsyncContextManager[BaseCheckpointSaver[Any]]:
    """The saver for runs whose state is in ``database``: a run goes on wherever its state is seen.

    Beside SQLite it is :func:`state.checkpoint_path`; with PostgreSQL it is tables of LangGraph's
    own in the same database. What the driver raises inside becomes one line: StoreError.
    """
    return _on_server(database) if database.is_postgres else _in_file()


@asynccontextmanager
async def _in_file() -> AsyncIterator[BaseCheckpointSaver[Any]]:
    import aiosqlite
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    path = checkpoint_path()
    try:
        switch_to_wal(path)  # The saver's own does not wait where another run makes the file.
        async with aiosqlite.connect(path, timeout=BUSY_TIMEOUT_S) as connection:
            yield AsyncSqliteSaver(connection)
    except sqlite3.Error as error:
        raise StoreError(f"checkpoint file {path} {explain(error)}") from error


@asynccontextmanager
async def _on_server(database: Database) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    try:
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
        from psycopg import Error
    except ImportError as error:
        raise StoreError(
            f"checkpoints on {database.backend.name} need LangGraph's saver ({error}); "
            "pip install 'hi-moe[postgres]'"
        ) from error

    url = database.backend.reader.url.set(drivername="postgresql")
    try:
        async with AsyncPostgresSaver.from_conn_string(
            url.render_as_string(hide_password=False)
        ) as saver:
            await _make_tables(saver)
            yield saver
    except Error as error:
        why = database.backend.explain(error)
        raise StoreError(f"checkpoints on {database.backend.name}: the server {why}") from error


async def _make_tables(saver: Any) -> None:
    """One process at a time.

    The lock is asked for, not waited for: ``CREATE INDEX CONCURRENTLY``, which is among what the
    saver does, would itself wait for whoever waits inside a statement.
    """
    while True:
        answer = await saver.conn.execute(f"SELECT pg_try_advisory_lock({_LOCK}) AS got")
        if (await answer.fetchone())["got"]:
            break
        await asyncio.sleep(0.05)
    try:
        await saver.setup()
    finally:
        await saver.conn.execute(f"SELECT pg_advisory_unlock({_LOCK})")
