"""Opening the database, and the error messages when that fails."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from state import BeadStore, StoreError
from state.database import Database


def complaint(action: Callable[[], object]) -> str:
    with pytest.raises(StoreError) as caught:
        action()
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_open_creates_folder_and_tables(tmp_path: Path) -> None:
    path = tmp_path / "a b?" / "c" / "state.db"
    bead = BeadStore.open(path).create("task", "t")
    assert BeadStore.open(f"sqlite:///{path}").get(bead.id) == bead


def test_pragmas(tmp_path: Path) -> None:
    with Database.open(tmp_path / "state.db").reading() as tx:

        def pragma(name: str) -> object:
            return tx.value(f"PRAGMA {name}")

        assert pragma("journal_mode") == "wal"
        assert pragma("foreign_keys") == 1
        assert pragma("busy_timeout") == 30_000


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"certainly not a database" * 100)
    line = complaint(lambda: BeadStore.open(path))
    assert line == (
        f"state database {path} is not a SQLite database; move the file away or set HARNESS_HOME"
    )
    assert path.read_bytes().startswith(b"certainly"), "it is not ours to overwrite"


def test_a_damaged_database(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = BeadStore.open(path)
    for number in range(50):
        store.create("task", f"t{number}", body="x" * 500)
    store.close_database()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)

    def use() -> None:
        BeadStore.open(path).query()

    assert (
        complaint(use) == f"state database {path} is damaged; restore a copy or move the file away"
    )


def test_a_database_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (name)")
    assert "database of another program" in complaint(lambda: BeadStore.open(path))


def test_a_database_of_a_newer_program(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    BeadStore.open(path).close_database()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    line = complaint(lambda: BeadStore.open(path))
    assert "schema version 99" in line
    assert "upgrade hi-moe" in line


def test_a_read_only_database(unprivileged_folder: Path) -> None:
    path = unprivileged_folder / "state.db"
    BeadStore.open(path).close_database()
    path.chmod(0o444)
    line = complaint(lambda: BeadStore.open(path))
    assert line == f"state database {path} is read-only; set HARNESS_HOME to a writable folder"


def test_a_read_only_folder(unprivileged_folder: Path) -> None:
    unprivileged_folder.chmod(0o555)
    line = complaint(lambda: BeadStore.open(unprivileged_folder / "state.db"))
    assert "set HARNESS_HOME to a writable folder" in line
    line = complaint(lambda: BeadStore.open(unprivileged_folder / "deeper" / "state.db"))
    assert "cannot create the folder" in line
    assert "Permission denied" in line


def test_other_urls_are_refused_without_their_password() -> None:
    line = complaint(lambda: BeadStore.open("mysql://me:secret@host/db"))
    assert "sqlite:///PATH or postgresql://" in line
    assert "secret" not in line
    line = complaint(lambda: BeadStore.open("postgresql://me:secret@127.0.0.1:1/db"))
    assert line.startswith(
        "state database 127.0.0.1/db does not answer; check HARNESS_DATABASE_URL"
    )
    assert "secret" not in line


def test_an_error_undoes_the_transaction(tmp_path: Path) -> None:
    store = BeadStore.open(tmp_path / "state.db")

    def fail() -> None:
        with store.database.writing() as tx:
            tx.run("DELETE FROM meta")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    BeadStore.open(tmp_path / "state.db")


def open_and_create(path: str, results: multiprocessing.Queue[str]) -> None:
    results.put(BeadStore.open(path).create("task", "t").id)


@pytest.mark.slow
def test_many_processes_open_a_new_database_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[str] = context.Queue()
    path = str(tmp_path / "new" / "state.db")
    workers = [context.Process(target=open_and_create, args=(path, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    assert len({results.get(timeout=60) for _ in workers}) == 4
    for worker in workers:
        worker.join()
