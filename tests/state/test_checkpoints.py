"""The place of LangGraph's checkpoints, and their creation by many processes at once."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any, TypedDict

import psycopg
import pytest
from langgraph.graph import END, START, StateGraph
from sqlalchemy import make_url

from state import BeadStore, StoreError, checkpoint_path, checkpoints
from state.checkpoints import open_checkpoints
from state.lean_checkpoints import KEPT

THREAD = {"configurable": {"thread_id": "run", "checkpoint_ns": ""}}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))


@pytest.fixture
def without_tables(postgres_url: str) -> str:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "DROP TABLE IF EXISTS "
            "checkpoints, checkpoint_blobs, checkpoint_writes, checkpoint_migrations"
        )
    return postgres_url


def look(store: BeadStore) -> None:
    async def go() -> None:
        async with open_checkpoints(store.database) as saver:
            assert await saver.aget_tuple(THREAD) is None  # type: ignore[arg-type]

    asyncio.run(go())


@pytest.mark.slow
def test_a_new_file_that_another_run_is_making_is_waited_for(tmp_path: Path) -> None:
    """SQLite's busy timeout does not cover the switch to write-ahead logging."""
    store = BeadStore.open(tmp_path / "state.db")
    held, done = threading.Event(), threading.Event()

    def other() -> None:
        connection = sqlite3.connect(checkpoint_path(), isolation_level=None)
        connection.execute("CREATE TABLE begun (x)")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO begun VALUES (1)")
        held.set()
        done.wait(0.3)
        connection.execute("COMMIT")
        connection.close()

    thread = threading.Thread(target=other)
    thread.start()
    held.wait()
    look(store)
    done.set()
    thread.join()
    store.close_database()


@pytest.mark.slow
def test_many_open_new_tables_on_a_server_at_once(without_tables: str) -> None:
    store = BeadStore.open(without_tables)

    async def go() -> None:
        async def one() -> None:
            async with open_checkpoints(store.database) as saver:
                assert await saver.aget_tuple(THREAD) is None  # type: ignore[arg-type]

        await asyncio.gather(*(one() for _ in range(8)))

    asyncio.run(go())
    assert not checkpoint_path().exists()
    store.close_database()
    BeadStore.open(without_tables).close_database()  # It is still ours, with their tables in it.


def test_a_connection_that_was_cut_is_replaced(postgres_url: str) -> None:
    store = BeadStore.open(postgres_url)

    async def go() -> None:
        async with open_checkpoints(store.database) as saver:
            await saver.aget_tuple(THREAD)  # type: ignore[arg-type]
            with psycopg.connect(postgres_url, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            assert await saver.aget_tuple(THREAD) is None  # type: ignore[arg-type]

    asyncio.run(go())
    store.close_database()


@pytest.mark.slow
def test_tables_that_are_there_are_not_waited_for(
    without_tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = BeadStore.open(without_tables)
    monkeypatch.setattr(checkpoints, "MAKING_S", 0.2)
    with psycopg.connect(without_tables, autocommit=True) as other:
        other.execute(f"SELECT pg_advisory_lock({checkpoints._LOCK})")
        with pytest.raises(StoreError, match="another process has been making the tables"):
            look(store)
    look(store)
    with psycopg.connect(without_tables, autocommit=True) as other:
        other.execute(f"SELECT pg_advisory_lock({checkpoints._LOCK})")
        look(store)
    store.close_database()


def test_a_password_may_hold_any_character(postgres_url: str) -> None:
    url = make_url(postgres_url).set(password="a b@c:/%?#ü")
    store = BeadStore.open(url.render_as_string(hide_password=False))
    look(store)
    store.close_database()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    store = BeadStore.open(tmp_path / "state.db")
    checkpoint_path().write_bytes(b"certainly not a database" * 100)
    with pytest.raises(StoreError) as caught:
        look(store)
    assert str(caught.value) == (
        f"checkpoint file {checkpoint_path()} is not a SQLite database; "
        "move the file away or set HARNESS_HOME"
    )
    store.close_database()


def test_a_server_that_is_gone(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = BeadStore.open(postgres_url)
    gone = store.database.backend.reader.url.set(port=1)
    monkeypatch.setattr(store.database.backend.reader, "url", gone)
    with pytest.raises(StoreError, match=r"checkpoints on .*: the server does not answer"):
        look(store)
    store.close_database()


@pytest.mark.slow
def test_a_long_run_keeps_its_last_checkpoints(tmp_path: Path) -> None:
    """The run is resumed from the last checkpoint, with its writes."""

    class State(TypedDict):
        turn: int
        stop: int

    async def step(state: State) -> dict[str, int]:
        if state["turn"] == state["stop"]:
            raise StoreError("cut off")
        return {"turn": state["turn"] + 1}

    graph = StateGraph(State)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda s: END if s["turn"] >= 400 else "step")
    store = BeadStore.open(tmp_path / "state.db")
    config: Any = {"configurable": {"thread_id": "run"}, "recursion_limit": 1000}

    async def go(start: dict[str, int] | None) -> Any:
        async with open_checkpoints(store.database) as saver:
            compiled = graph.compile(checkpointer=saver)
            if start is None:
                await compiled.aupdate_state(config, {"stop": -1})
            return await compiled.ainvoke(start, config, durability="sync")  # type: ignore[arg-type]

    with pytest.raises(StoreError, match="cut off"):
        asyncio.run(go({"turn": 0, "stop": 300}))
    assert asyncio.run(go(None))["turn"] == 400
    with sqlite3.connect(checkpoint_path()) as connection:
        for table in ("checkpoints", "writes"):
            held = connection.execute(f"SELECT count(DISTINCT checkpoint_id) FROM {table}")
            assert 2 <= held.fetchone()[0] <= 2 * KEPT + 2
