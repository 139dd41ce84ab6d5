"""Transactions on connections that a thread keeps."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from state import BeadStore, StoreError

ORPHAN = "INSERT INTO comment (bead_id, author, text, created_at) VALUES ('no', '', '', 0)"


def test_one_transaction_inside_another_has_a_connection_of_its_own(tmp_path: Path) -> None:
    store = BeadStore.open(tmp_path / "state.db")
    bead = store.create("task", "before")
    with store.database.reading() as outer:
        with store.database.reading() as inner:
            assert inner is not outer
        assert store.get(bead.id).title == "before"
    store.close_database()


def test_a_failed_transaction_leaves_the_connection_usable(tmp_path: Path) -> None:
    store = BeadStore.open(tmp_path / "state.db")
    try:
        with store.database.writing() as tx:
            tx.run("UPDATE bead SET title = 'changed'")
            raise KeyError
    except KeyError:
        pass
    bead = store.create("task", "after")
    assert [b.title for b in store.query()] == [bead.title]
    store.close_database()


def test_threads_come_and_go_and_the_file_can_be_closed_and_used_again(tmp_path: Path) -> None:
    store = BeadStore.open(tmp_path / "state.db")
    bead = store.create("task", "shared")
    seen: list[str] = []
    for _ in range(40):  # More than the pool would lend at once.
        thread = threading.Thread(target=lambda: seen.append(store.get(bead.id).title))
        thread.start()
        thread.join()
    assert seen == ["shared"] * 40
    store.close_database()
    assert store.get(bead.id).title == "shared"
    store.close_database()


def test_threads_that_stay_keep_connections_and_nobody_waits_for_one(tmp_path: Path) -> None:
    store = BeadStore.open(tmp_path / "state.db")
    bead = store.create("task", "there")
    stay, used = threading.Event(), threading.Barrier(31)

    def work() -> None:
        assert store.get(bead.id).title == "there"
        with store.database.reading() as tx:
            tx.run("SELECT 1").fetchall()
        used.wait(20)
        stay.wait(20)

    threads = [threading.Thread(target=work) for _ in range(30)]
    for thread in threads:
        thread.start()
    used.wait(20)
    stay.set()
    for thread in threads:
        thread.join()
    store.close_database()


def test_a_commit_that_fails_leaves_no_transaction_behind(tmp_path: Path) -> None:
    store = BeadStore.open(tmp_path / "state.db")

    def fail() -> None:
        with store.database.writing() as tx:
            tx.run("PRAGMA defer_foreign_keys = ON")
            tx.run(ORPHAN)

    with pytest.raises(StoreError, match="FOREIGN KEY"):
        fail()
    assert store.create("task", "next").title == "next"
