"""``harness bead``: filters, labels, dates, the editor, deletion, history, lists of dependencies."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from state import BeadStore, database_url
from tests.harness.cli.bead.test_cli_bead import made, said
from tests.harness.conftest import Cli


@pytest.fixture(autouse=True)
def me(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_ACTOR", "ann")
    monkeypatch.setenv("TZ", "Asia/Kathmandu")  # UTC+5:45, to see which zone is meant
    time.tzset()


@pytest.fixture(autouse=True)
def zone_back() -> Any:
    yield
    time.tzset()


def ids(cli: Cli, *words: str) -> list[str]:
    return [bead["id"] for bead in said(cli, *words)]


def refused(cli: Cli, *words: str, code: int = 1) -> str:
    done = cli("bead", *words)
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)
    return done.err


def test_labels_with_commas(cli: Cli) -> None:
    bead = said(cli, "create", "t", "--label", "a, b,", "--labels", "c,a")
    assert bead["labels"] == ["a", "b", "c"]
    (bead,) = said(cli, "update", bead["id"], "--add-label", "d,e", "--remove-label", "a,b")
    assert bead["labels"] == ["c", "d", "e"]
    assert said(cli, "create", "t", "--description", "as in bd")["body"] == "as in bd"
    assert said(cli, "create", "t", "-d", "short")["body"] == "short"
    one, two = made(cli, "one"), made(cli, "two")
    shown = said(cli, "show", made(cli, "t", "--deps", f"{one},related:{two}"))
    assert [(e["to"], e["type"]) for e in shown["dependencies"]] == [
        (one, "blocks"), (two, "related"),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["ready", "list", "search", "blocked"])
def test_the_same_filters_everywhere(cli: Cli, verb: str) -> None:
    block, top = made(cli, "block"), made(cli, "top")
    waits = ("--dep", block) if verb == "blocked" else ()
    a = made(cli, "word alpha", "-t", "bug", "-p", "1", "-l", "x,y", "--parent", top, *waits)
    b = made(cli, "word beta", "-a", "bob", "-l", "x", "--due", "2020-01-31", *waits)
    words = (verb, "word") if verb == "search" else (verb,)
    for given, found in (
        (["--type", "bug"], {a}), (["--type", "bug,task", "--text", "word"], {a, b}),
        (["--priority", "P1"], {a}), (["--label", "x", "--text", "word"], {a, b}),
        (["--label", "x,y"], {a}), (["--label", "x", "--label", "y"], {a}),
        (["--assignee", "bob"], {b}), (["--text", "ALPHA"], {a}), (["--parent", top[3:]], {a}),
        (["--status", "open", "--text", "word"], {a, b}), (["--overdue"], {b}),
        (["--due-before", "2020-01-31"], set()), (["--due-before", "2020-02-01"], {b}),
        (["--run", "all", "--text", "beta"], {b}),
    ):  # fmt: skip
        assert set(ids(cli, *words, *given)) == found, given
    assert len(ids(cli, *words, "--limit", "1")) == 1
    assert "unknown bead status" in refused(cli, *words, "--status", "done", code=2)
    assert "unknown bead kind" in refused(cli, *words, "--type", "idea", code=2)


def test_claim_next_is_narrowed_too(cli: Cli) -> None:
    made(cli, "urgent", "-p", "0")
    mine = made(cli, "mine", "-l", "x", "-t", "bug")
    assert said(cli, "claim", "--next", "--label", "x", "--type", "bug")["id"] == mine
    assert said(cli, "claim", "--next", "-l", "x", code=1)["error"].startswith("nothing is ready")


@pytest.mark.slow
def test_close_and_delete_by_force_only(cli: Cli) -> None:
    top = made(cli, "top", "-t", "epic")
    part = made(cli, "part", "--parent", top)
    after = made(cli, "after", "--dep", part)
    assert f"epic {top} has open parts: {part}" in refused(cli, "close", top)
    assert f"bead {after} waits for {part}" in refused(cli, "close", after)
    assert f"{after} depend on bead {part}" in refused(cli, "delete", part)
    assert ids(cli, "ready") == [part]
    assert ids(cli, "close", after, "--force") == [after]
    assert ids(cli, "delete", part, "--force", "--reason", "twice") == [part]
    assert ids(cli, "list") == [top, after]
    assert ids(cli, "list", "--status", "tombstone") == [part]
    assert ids(cli, "search", "part") == []
    assert re.search(r"deleted +by ann \(twice\)", cli("bead", "show", part).out)
    assert ids(cli, "close", top) == [top]
    assert ids(cli, "reopen", part) == [part]


@pytest.mark.slow
def test_due_dates(cli: Cli) -> None:
    late = made(cli, "late", "--due", "2020-01-31")
    soon = made(cli, "soon", "--due", "+2h")
    done = made(cli, "done", "--due", "2019-01-01T12:00:00+01:00")
    made(cli, "never")
    said(cli, "close", done)
    assert said(cli, "show", done)["due_at"] == "2019-01-01T11:00:00Z"
    assert said(cli, "show", late)["due_at"] == "2020-01-31T18:14:59Z", "the end of the day, here"
    assert ids(cli, "due") == [late, soon]
    assert ids(cli, "due", "--overdue") == ids(cli, "list", "--overdue") == [late]
    assert ids(cli, "list", "--sort", "due")[:3] == [done, late, soon]
    assert "late (due 2020-01-31 23:59)" in cli("bead", "due").out
    assert cli("bead", "due", soon, "2021-05-06T07:08").out == f"{soon} is due 2021-05-06 07:08\n"
    assert cli("bead", "due", soon, "none").out == f"{soon} has no due date\n"
    assert ids(cli, "due") == [late]
    for when in ("someday", "2020-13-01", "+99999999999d", "+999999w", ""):
        assert "WHEN" in refused(cli, "due", late, when or "  x", code=2)


def test_deferring(cli: Cli) -> None:
    id = made(cli, "later", "--defer", "+1d")
    assert ids(cli, "ready") == []
    assert re.search(r"deferred +until 20", cli("bead", "show", id).out)
    assert "--defer none" in refused(cli, "claim", id)
    said(cli, "update", id, "--defer", "none")
    assert ids(cli, "ready") == [id]


def editor(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    file = folder / "my editor.py"
    file.write_text(f"import pathlib, sys\npath = pathlib.Path(sys.argv[-1])\n{program}\n")
    monkeypatch.setenv("EDITOR", f"{sys.executable} '{file}' --wait")


@pytest.mark.slow
def test_edit(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    id = made(cli, "title", "-d", "text")
    editor(folder, monkeypatch, "path.write_text(path.read_text() + ' and more\\n')")
    assert said(cli, "edit", id)["body"] == "text and more"
    assert said(cli, "edit", id, "--title")["title"] == "title and more"
    assert said(cli, "edit", id, "--notes")["notes"] == " and more"
    assert said(cli, "edit", id, "--field", "design")["extra"] == {"design": " and more"}
    editor(folder, monkeypatch, "")
    assert cli("bead", "edit", id).out.startswith(f"unchanged {id}")
    editor(folder, monkeypatch, "path.write_text(' ')")
    assert "needs a title" in refused(cli, "edit", id, "--title", code=2)
    editor(folder, monkeypatch, "path.write_text('kept'); sys.exit(3)")
    says = refused(cli, "edit", id, code=2)
    left = Path(says.rsplit("what you wrote is in ", 1)[1].strip())
    assert left.read_text() == "kept"
    left.unlink()
    monkeypatch.setenv("EDITOR", "/no/such/editor")
    assert "cannot be started" in refused(cli, "edit", id, code=2)
    monkeypatch.delenv("EDITOR")
    monkeypatch.delenv("VISUAL", raising=False)
    assert "set EDITOR" in refused(cli, "edit", id, code=2)
    assert said(cli, "show", id)["body"] == "text and more"


def test_edit_overwrites_nobody(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    id = made(cli, "t", "-d", "text")
    meanwhile = (
        "import sqlite3; c = sqlite3.connect('runs/state.db'); "
        "c.execute(\"UPDATE bead SET body = 'theirs'\"); c.commit(); path.write_text('mine')"
    )
    editor(folder, monkeypatch, meanwhile)
    says = refused(cli, "edit", id, code=2)
    assert Path(says.rsplit("what you wrote is in ", 1)[1].strip()).read_text() == "mine"
    assert said(cli, "show", id)["body"] == "theirs"


def test_history(cli: Cli) -> None:
    id = made(cli, "t")
    said(cli, "update", id, "--title", "better")
    said(cli, "claim", "--next")
    said(cli, "comment", id, "half done")
    said(cli, "close", id, "--reason", "all of it")
    rows = said(cli, "history", id)
    assert set(rows[0]) == {"bead", "at", "author", "what", "old", "new", "note"}
    assert [row["what"] for row in rows] == ["created", "title", "claimed", "comment", "status"]
    assert len(said(cli, "history", id, "--limit", "2")) == 2
    text = cli("bead", "history", id).out
    assert "title: t → better" in text
    assert "status: in_progress → closed (all of it)" in text
    assert not re.search(r"\d\.\d+|Z", text), "neither microseconds nor UTC"


def test_dep_list(cli: Cli) -> None:
    a, b = made(cli, "first thing"), made(cli, "b")
    said(cli, "dep", "add", b, a)
    said(cli, "dep", "add", b, a, "--type", "related")
    assert [(e["to"], e["type"]) for e in said(cli, "dep", "list", b)] == [
        (a, "blocks"), (a, "related"),
    ]  # fmt: skip
    assert len(said(cli, "dep", "list", b, "--type", "related")) == 1
    assert [e["from"] for e in said(cli, "dep", "list", a, "--up")] == [b, b]
    assert "first thing" in cli("bead", "dep", "list", b).out
    assert cli("bead", "dep", "list", a).out == "it depends on nothing\n"


def test_kinds_that_runs_make(cli: Cli) -> None:
    id = made(cli, "t")
    for kind in ("outcome", "insight", "routine", "step", "decision"):
        assert "only runs and imports make" in refused(cli, "update", id, "-t", kind, code=2)
    assert "only runs and imports make" in refused(cli, "create", "t", "-t", "outcome", code=2)
    assert said(cli, "create", "we take SQLite", "-t", "decision")["kind"] == "decision"


def test_what_runs_remember_is_not_in_a_persons_list(cli: Cli) -> None:
    mine = made(cli, "mine")
    store = BeadStore.open(database_url())
    memory = store.create("insight", "remembered", tier="memory").id
    store.close_database()
    assert ids(cli, "list") == ids(cli, "search", "mine") == [mine]
    assert ids(cli, "search", "remembered") == []
    assert ids(cli, "list", "--type", "insight") == [memory]
    assert ids(cli, "list", "--run", "all") == [mine, memory]


def test_lines_of_other_types(cli: Cli, folder: Path) -> None:
    content = (
        '{"_type":"issue","id":"m-1","title":"x","status":"open","priority":2,'
        '"issue_type":"task","created_at":"2026-06-01T10:00:00Z",'
        '"updated_at":"2026-06-01T10:00:00Z"}\n{"_type":"memory","key":"k","value":"v"}\n'
    )
    (folder / "f.jsonl").write_text(content)
    assert said(cli, "import", "f.jsonl")["kept"] == {"memory": 1}
    told = cli("bead", "import", "f.jsonl").out
    assert "note: 1 line is no issue but a memory; kept for the next export" in told
    assert cli("bead", "export").out == content
    assert cli("bead", "show", "1").code == 0, "an imported id without its own prefix"


@pytest.mark.parametrize("columns", ["60", "80", ""])
def test_tables_keep_ids_whole(cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    store = BeadStore.open(database_url())
    names = ["my-project-0134cc5a.12", "hm-1"]
    for name in names:
        store.create("feature", "words " * 30, id=name, labels=["one", "two"], assignee="somebody")
    store.close_database()
    for verb in ("list", "ready"):
        out = cli("bead", verb).out
        lines = out.splitlines()
        assert all(any(line.startswith(name) for line in lines) for name in names)
        assert out.split().count("words") == 60
        assert not any(line.endswith(" ") for line in lines)
        if columns:
            assert max(map(len, lines)) <= int(columns)
        else:
            assert len(lines) == 3, "a pipe has one line for each"


def test_times_are_local_and_to_the_minute(cli: Cli, folder: Path) -> None:
    record = {
        "id": "bd-1", "title": "t", "created_at": "2025-01-31T12:00:00.123456Z",
        "comments": [{"author": "a", "text": "c", "created_at": "2025-01-31T23:00:00.5Z"}],
    }  # fmt: skip
    (folder / "f.jsonl").write_text(json.dumps(record))
    assert cli("bead", "import", "f.jsonl").code == 0
    out = cli("bead", "show", "bd-1").out
    assert re.search(r"created +2025-01-31 17:45$", out, re.MULTILINE)
    assert "a · 2025-02-01 04:45" in out
    assert said(cli, "show", "bd-1")["created_at"] == "2025-01-31T12:00:00.123456Z"
