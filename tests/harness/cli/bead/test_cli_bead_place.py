"""The place of the store, and the message for a mistyped place: one line, never an empty store."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.harness.conftest import Cli

LOOKING = (
    ("list",), ("ready",), ("blocked",), ("search", "x"), ("stats",), ("due",), ("doctor",),
    ("export",), ("dep", "cycles"),
)  # fmt: skip
CHANGING = (
    ("show", "a"), ("update", "a", "-p", "1"), ("close", "a"), ("reopen", "a"), ("delete", "a"),
    ("claim", "a"), ("comment", "a", "x"), ("history", "a"), ("edit", "a"), ("dep", "list", "a"),
    ("dep", "tree", "a"), ("dep", "add", "a", "b"), ("context", "a"),
)  # fmt: skip


def nothing(path: Path) -> str:
    return str(path)


def a_folder(path: Path) -> str:
    path.mkdir()
    return str(path)


def below_a_file(path: Path) -> str:
    path.write_text("text")
    return str(path / "state.db")


def no_database(path: Path) -> str:
    path.write_text("certainly no database\n" * 100)
    return str(path)


def empty(path: Path) -> str:
    path.touch()
    return str(path)


def of_another_program(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (name)")
    return str(path)


WRONG = {
    nothing: "there is no store at", a_folder: "is a folder", below_a_file: "Not a directory",
    no_database: "is not a SQLite database", empty: "there is no store at",
    of_another_program: "database of another program",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("make", WRONG)
@pytest.mark.parametrize("form", ["{}", "sqlite:///{}"])
def test_a_wrong_place_is_an_error_and_stays_as_it_is(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch, make: object, form: str
) -> None:
    place = form.format(make(folder / "place"))  # type: ignore[operator]
    before = sorted(path.name for path in folder.rglob("*"))
    for words in (*LOOKING, *CHANGING, ("claim", "--next"), ("compact", "--run", "r")):
        done = cli("bead", "--db", place, *words)
        assert (done.code, done.out, done.err.count("\n")) == (4, "", 1), words
        assert WRONG[make] in done.err  # type: ignore[index]
    monkeypatch.setenv("HARNESS_DATABASE_URL", place)
    assert WRONG[make] in cli("bead", "list").err  # type: ignore[index]
    assert json.loads(cli("bead", "list", "--json").out)["exit_code"] == 4
    assert sorted(path.name for path in folder.rglob("*")) == before


@pytest.mark.parametrize("make", [below_a_file])
def test_a_home_that_cannot_be_one(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch, make: object
) -> None:
    monkeypatch.setenv("HARNESS_HOME", str(Path(make(folder / "place")).parent))  # type: ignore[operator]
    for words in (("list",), ("show", "a"), ("create", "t")):
        done = cli("bead", *words)
        assert (done.code, done.out, done.err.count("\n")) == (4, "", 1), words


@pytest.mark.slow
def test_before_the_first_store(cli: Cli, folder: Path) -> None:
    note = f"no store yet at {folder}/runs/state.db; `harness bead create` or `harness run` makes one\n"
    for words in LOOKING:
        done = cli("bead", *words)
        said = (done.err, done.out) if words == ("export",) else (done.out, done.err)
        assert (done.code, *said) == (0, note, ""), words
        if words != ("export",):
            done = cli("bead", *words, "--json")
            assert (done.code, done.err) == (0, "")
            json.loads(done.out)
    for words in CHANGING:
        done = cli("bead", *words)
        assert (done.code, done.out) == (2, ""), words
        assert done.err == f"error: unknown bead id 'a': {note}"
    done = cli("bead", "claim", "--next")
    assert (done.code, done.err) == (1, f"error: nothing is ready to be claimed: {note}")
    assert list(folder.iterdir()) == []


def test_an_import_may_be_tried_before_the_first_store(cli: Cli, folder: Path) -> None:
    (folder / "f.jsonl").write_text('{"id":"bd-1","title":"t"}\n')
    there = str(folder / "new.db")
    done = cli("bead", "--db", there, "import", "f.jsonl", "--dry-run")
    assert (done.code, done.out.split(",")[0]) == (0, "would have created 1")
    assert not Path(there).exists()
    assert cli("bead", "--db", there, "import", "f.jsonl").code == 0
    assert "bd-1" in cli("bead", "--db", there, "list").out


def test_looking_writes_nothing(cli: Cli, folder: Path, unprivileged_folder: Path) -> None:
    place = str(unprivileged_folder / "state.db")
    assert cli("bead", "--db", place, "create", "t").code == 0
    Path(place).chmod(0o444)
    assert "t" in cli("bead", "--db", place, "list").out
    done = cli("bead", "--db", place, "create", "u")
    assert (done.code, "read-only" in done.err) == (4, True)


@pytest.mark.slow
def test_a_server_without_a_store(cli: Cli, postgres_server: str) -> None:
    from tests import postgres

    url = postgres.new_database(postgres_server)
    done = cli("bead", "--db", url, "list")
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith("error: there is no store at 127.0.0.1/")
    assert cli("bead", "--db", url, "create", "t").code == 0
    assert "t" in cli("bead", "--db", url, "list").out
