"""``harness bead``: every verb for people and for scripts, and what it refuses."""

from __future__ import annotations

import io
import json
import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from state import BeadStore, Runs, database_url, sqlite
from tests.harness.conftest import Cli
from tests.state.issues import FILE

ROOT = Path(__file__).parents[4]
FIELDS = {
    "id", "key", "kind", "title", "body", "notes", "status", "priority", "parent", "run_id", "tier",
    "assignee", "lease_until", "attempts", "confidence", "surprise", "labels", "data", "extra",
    "created_at", "updated_at", "closed_at", "close_reason", "due_at", "defer_until",
}  # fmt: skip
"""Documented in docs/beads.md."""


@pytest.fixture(autouse=True)
def me(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_ACTOR", "ann")


def said(cli: Cli, *words: str, code: int = 0) -> Any:
    """The JSON that a verb prints."""
    done = cli("bead", *words, "--json")
    assert (done.code, done.err) == (code, "")
    assert done.out.count("\n") == 1
    return json.loads(done.out)


def made(cli: Cli, title: str, *words: str) -> str:
    id: str = said(cli, "create", title, *words)["id"]
    return id


def test_create_says_everything(cli: Cli) -> None:
    top, first = made(cli, "top", "--type", "epic"), made(cli, "first")
    bead = said(
        cli, "create", "naïve", "--body", "b", "--type", "bug", "--priority", "P0", "--label", "x",
        "-l", "y", "--parent", top, "--dep", first, "--dep", f"related:{top}", "--assignee", "bob",
        "--notes", "n",
    )  # fmt: skip
    assert set(bead) == FIELDS
    assert (bead["kind"], bead["priority"], bead["labels"]) == ("bug", 0, ["x", "y"])
    assert (bead["parent"], bead["assignee"], bead["notes"]) == (top, "bob", "n")
    assert bead["created_at"].endswith("Z")
    shown = said(cli, "show", bead["id"][3:])
    assert set(shown) == FIELDS | {"dependencies", "dependents", "comments", "tree"}
    assert [(e["to"], e["type"], e["created_by"]) for e in shown["dependencies"]] == [
        (top, "parent-child", None), (first, "blocks", "ann"), (top, "related", "ann"),
    ]  # fmt: skip
    assert f"created {bead['id'][:3]}" in cli("bead", "create", "t").out


def test_a_text_from_the_standard_input(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("line\nline\n"))
    assert said(cli, "create", "t", "--body", "-")["body"] == "line\nline\n"


def test_from_ready_to_closed(cli: Cli) -> None:
    first = made(cli, "first", "-p", "1")
    second = made(cli, "second", "--dep", first)
    assert [bead["id"] for bead in said(cli, "ready")] == [first]
    assert "first" in cli("bead", "ready").out
    (held,) = said(cli, "blocked")
    assert (held["id"], held["blocked_by"]) == (second, [{"id": first, "through": second}])
    assert first in cli("bead", "blocked").out

    taken = said(cli, "claim", "--next", "--lease", "60")
    assert (taken["id"], taken["assignee"], taken["status"]) == (first, "ann", "in_progress")
    assert taken["attempts"] == 1
    assert said(cli, "claim", "--next", code=1)["error"] == "nothing is ready to be claimed"
    assert said(cli, "claim", first, "--as", "bob", code=1)["error"].endswith("take another")
    renewed = said(cli, "claim", first, "--renew", "--lease", "9999")
    assert renewed["lease_until"] > taken["lease_until"]
    assert "not by bob" in said(cli, "claim", first, "--renew", "--as", "bob", code=1)["error"]

    (closed,) = said(cli, "close", first, "--reason", "done")
    assert (closed["status"], closed["close_reason"]) == ("closed", "done")
    assert [bead["id"] for bead in said(cli, "ready")] == [second]
    assert said(cli, "reopen", first)[0]["status"] == "open"
    assert [bead["id"] for bead in said(cli, "blocked")] == [second]


def test_update(cli: Cli) -> None:
    top, id = made(cli, "top"), made(cli, "t", "-l", "a")
    (bead,) = said(
        cli, "update", id, "--title", "T", "--body", "B", "--notes", "N", "--type", "bug",
        "--status", "deferred", "--priority", "4", "--assignee", "bob", "--parent", top,
        "--add-label", "b", "--remove-label", "a",
    )  # fmt: skip
    assert [bead[name] for name in ("title", "body", "notes", "kind", "status", "priority")] == [
        "T", "B", "N", "bug", "deferred", 4,
    ]  # fmt: skip
    assert (bead["assignee"], bead["parent"], bead["labels"]) == ("bob", top, ["b"])
    (bead,) = said(cli, "update", id, "--assignee", "", "--parent", "none", "--status", "open")
    assert (bead["assignee"], bead["parent"], bead["status"]) == (None, None, "open")


def test_list_filters_and_sorts(cli: Cli) -> None:
    a = made(cli, "alpha", "-t", "bug", "-p", "3", "-l", "x")
    b = made(cli, "beta", "-a", "bob", "-p", "1", "--parent", a)
    said(cli, "close", a)

    def ids(*words: str) -> list[str]:
        return [bead["id"] for bead in said(cli, "list", *words)]

    assert ids() == [a, b]
    assert ids("--sort", "priority") == [b, a]
    assert ids("--status", "closed") == ids("--type", "bug") == ids("--label", "x") == [a]
    assert ids("--assignee", "bob") == ids("--text", "BET") == ids("--parent", a) == [b]
    assert ids("--status", "open,closed", "--limit", "1") == [a]
    assert said(cli, "delete", a, "--force")
    assert ids() == [b]
    assert ids("--status", "tombstone") == [a]


def test_a_run_as_its_beads(cli: Cli) -> None:
    store = BeadStore.open(database_url())
    run = Runs(store).start("p")
    root = store.create("epic", "root", run_id=run.id)
    one = store.create("step", "one", run_id=run.id, parent=root.id)
    two = store.create("step", "two", run_id=run.id, parent=root.id)
    store.add_dependency(two.id, one.id)
    store.create("task", "other")
    store.close_database()
    assert [b["title"] for b in said(cli, "list", "--run", run.id[:8])] == ["root", "one", "two"]
    assert [b["title"] for b in said(cli, "ready", "--run", run.id, "-t", "step")] == ["one"]
    tree = said(cli, "dep", "tree", root.id)
    assert [(c["title"], c["relation"]) for c in tree["children"]] == [
        ("one", "part"), ("two", "part"),
    ]  # fmt: skip
    assert tree["children"][1]["children"][0]["repeated"] is True
    text = cli("bead", "dep", "tree", root.id).out
    assert text.index("root") < text.index("one") < text.index("two") < text.index("(see above)")
    assert "unknown run id" in said(cli, "list", "--run", "run-nope", code=2)["error"]


def test_dependencies(cli: Cli) -> None:
    a, b = made(cli, "a"), made(cli, "b")
    edge = said(cli, "dep", "add", a, b)
    assert (edge["from"], edge["to"], edge["type"], edge["created_by"]) == (a, b, "blocks", "ann")
    assert "cycle" in said(cli, "dep", "add", b, a, code=2)["error"]
    assert said(cli, "dep", "cycles") == []
    assert cli("bead", "dep", "cycles").out == "no cycles\n"
    assert said(cli, "dep", "tree", b, "--up")["children"][0]["relation"] == "needed by"
    assert said(cli, "dep", "remove", a, b)[0]["type"] == "blocks"
    assert "has no dependency on" in said(cli, "dep", "remove", a, b, code=2)["error"]


def test_cycles_from_elsewhere_are_shown(cli: Cli) -> None:
    made(cli, "a")
    with sqlite3.connect("runs/state.db") as connection:
        for pair in (("x", "y"), ("y", "x")):
            connection.execute("INSERT INTO dependency VALUES (?, ?, 'blocks', 0, '', '{}')", pair)
    assert said(cli, "dep", "cycles", code=1) == [["x", "y"]]
    assert cli("bead", "dep", "cycles").out == "x → y → x\n"


def test_comment_search_stats(cli: Cli) -> None:
    id = made(cli, "parsing", "--body", "of claims")
    comment = said(cli, "comment", id, "look here")
    assert (comment["bead"], comment["author"], comment["text"]) == (id, "ann", "look here")
    assert [bead["id"] for bead in said(cli, "search", "looks")] == [id]
    assert [bead["id"] for bead in said(cli, "search", "parse", "claim")] == [id]
    assert cli("bead", "search", "nowhere").out == "nothing found\n"
    numbers = said(cli, "stats")
    assert (numbers["total"], numbers["ready"], numbers["by_kind"]) == (1, 1, {"task": 1})
    assert "1 beads, 1 ready, 0 blocked" in cli("bead", "stats").out
    shown = cli("bead", "show", id).out
    assert "look here" in shown
    assert "of claims" in shown


def test_export_and_import(cli: Cli, folder: Path) -> None:
    file = folder / "issues.jsonl"
    file.write_bytes(FILE)
    dry = said(cli, "import", "issues.jsonl", "--dry-run")
    assert (len(dry["created"]), dry["dry_run"]) == (6, True)
    assert not (folder / "runs").exists()
    done = said(cli, "import", "issues.jsonl")
    assert set(done) == {
        "created", "updated", "unchanged", "conflicts", "comments", "dangling", "dry_run", "kept",
    }  # fmt: skip
    assert done["dangling"] == [
        {"from": "bd-03", "to": "external:other:thing", "type": "waits-for"}
    ]
    told = cli("bead", "import", "issues.jsonl").out
    assert told.startswith("created 0, updated 0, unchanged 6, comments 0, conflicts 0\n")
    assert said(cli, "export", "-o", "out.jsonl") == {"file": "out.jsonl", "beads": 6}
    assert (folder / "out.jsonl").read_bytes() == FILE
    file.write_bytes(FILE.replace(b'"title":"Gone"', b'"title":"Back"'))
    told = cli("bead", "import", "issues.jsonl").out
    assert "conflict: line 5, bd-04 is of the same time but differs in title; kept" in told


@pytest.mark.slow
def test_export_to_the_output_and_import_from_the_input(folder: Path) -> None:
    bead("import", "-", input=FILE)
    assert bead("export").stdout == FILE
    assert bead("export", "--type", "epic").stdout == FILE[: FILE.index(b"\n") + 1]


def bead(*words: str, input: bytes = b"", **more: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "harness", "bead", *words], input=input, capture_output=True,
        check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}, **more,
    )  # fmt: skip


@pytest.mark.slow
def test_the_store_is_found_from_below_and_by_url(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HARNESS_HOME")
    id = made(cli, "here")
    below = folder / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert said(cli, "show", id)["title"] == "here"
    other = f"sqlite:///{folder}/other.db"
    done = cli("bead", "--db", other, "create", "there", "--json")
    assert json.loads(done.out)["title"] == "there"
    assert [b["title"] for b in json.loads(cli("bead", "--db", other, "list", "--json").out)] == [
        "there"
    ]
    monkeypatch.setenv("HARNESS_DATABASE_URL", other)
    assert [b["title"] for b in said(cli, "list")] == ["there"]
    assert [b["title"] for b in json.loads(cli("bead", "--db", str(folder / "runs" / "state.db"),
            "list", "--json").out)] == ["here"]  # fmt: skip


def test_postgres_by_url(cli: Cli, postgres_url: str) -> None:
    done = cli("bead", "--db", postgres_url, "create", "on a server", "--json")
    id = json.loads(done.out)["id"]
    assert "on a server" in cli("bead", "--db", postgres_url, "show", id).out
    assert cli("bead", "--db", postgres_url, "doctor").code == 0


def test_looking_where_nothing_is_creates_nothing(cli: Cli, folder: Path) -> None:
    for words in (("ready",), ("blocked",), ("list",), ("search", "x"), ("stats",), ("export",)):
        assert cli("bead", *words).code == 0
    assert cli("bead", "show", "x").code == 2
    assert list(folder.iterdir()) == []


def test_doctor(cli: Cli) -> None:
    id = made(cli, "t")
    report = said(cli, "doctor")
    assert report["ok"] is True
    assert set(report["checks"][0]) == {"name", "ok", "detail", "ids", "fixed"}
    with sqlite3.connect("runs/state.db") as connection:
        connection.execute("UPDATE bead SET waiting = 1")
    report = said(cli, "doctor", code=1)
    assert [check["ids"] for check in report["checks"] if not check["ok"]] == [[id]]
    fixed = cli("bead", "doctor", "--fix")
    assert fixed.code == 0
    assert "fixed  waiting" in fixed.out
    assert cli("bead", "doctor").code == 0


@pytest.mark.slow
def test_ids_complete_in_the_shell(cli: Cli, folder: Path) -> None:
    id = made(cli, "the title")
    for start in ("hm-", id[:5], id):
        done = subprocess.run(
            [sys.executable, "-m", "harness"], capture_output=True, text=True, check=False,
            env={
                **os.environ, "PYTHONPATH": str(ROOT), "_HARNESS_COMPLETE": "complete_zsh",
                "_TYPER_COMPLETE_ARGS": f"harness bead show {start}",
            },
        )  # fmt: skip
        assert f'"{id}":"the title"' in done.stdout


# --- bad input: one line, not zero, nothing changed --------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("show", "nope"), 2, "unknown bead id 'nope'; `harness bead list` shows them"),
        (("show", "hm-a"), 2, "bead id 'hm-a' is ambiguous: hm-a1, hm-a2"),
        (("close", "hm-a1", "nope"), 2, "unknown bead id 'nope'"),
        (("dep", "add", "hm-a1", "hm-a1"), 2, "bead hm-a1 cannot depend on itself"),
        (("dep", "add", "hm-a1", "hm-a2"), 2, "hm-a1 → hm-a2 would close a cycle"),
        (("dep", "add", "hm-a1", "hm-a2", "-t", "needs"), 2, "unknown dependency type 'needs'"),
        (("create", "t", "-p", "5"), 2, "--priority: is 0 (most urgent) to 4, not 5"),
        (("create", "t", "-p", "-1"), 2, "--priority: is 0 (most urgent) to 4, not -1"),
        (("create", " "), 2, "a bead needs a title"),
        (("create", "t", "-t", "idea"), 2, "unknown bead kind 'idea'; choose one of epic"),
        (("create", "t", "--dep", "nope"), 2, "unknown bead id 'nope'"),
        (("update", "hm-a1", "-s", "done"), 2, "unknown bead status 'done'"),
        (("update", "hm-a1"), 2, "nothing to change"),
        (("claim", "hm-closed"), 1, "bead hm-closed is closed; `harness bead reopen hm-closed`"),
        (("claim", "hm-a2"), 1, "bead hm-a2 waits for hm-a1; close what blocks it first"),
        (("claim",), 2, "claim takes an id, or --next"),
        (("claim", "hm-a1", "--lease", "0"), 2, "--lease: should be a number of seconds"),
        (("list", "--limit", "0"), 2, "--limit: should be greater than 0, not 0"),
        (("list", "--sort", "size"), 2, "--sort: should be one of"),
        (("comment", "hm-a1", " "), 2, "a comment needs a text"),
        (("import", "nowhere.jsonl"), 2, "nowhere.jsonl: cannot be read: No such file"),
        (("import", "bad.jsonl"), 2, "bad.jsonl line 2: no JSON"),
        (("export", "-o", "no/where.jsonl"), 2, "cannot be written: No such file"),
        (("search", "*"), 2, "nothing to search for"),
    ],
)  # fmt: skip
def test_bad_input(cli: Cli, folder: Path, words: tuple[str, ...], code: int, says: str) -> None:
    store = BeadStore.open(database_url())
    for id in ("hm-a1", "hm-a2", "hm-closed"):
        store.create("task", id, id=id)
    store.add_dependency("hm-a2", "hm-a1")
    store.close("hm-closed")
    before = store.query()
    (folder / "bad.jsonl").write_bytes(FILE.split(b"\n")[0] + b"\n{")
    done = cli("bead", *words)
    assert (done.code, done.out) == (code, "")
    assert says in done.err
    assert done.err.count("\n") == 1
    as_json = cli("bead", *words, "--json")
    assert json.loads(as_json.out)["exit_code"] == as_json.code == code
    assert store.query() == before
    store.close_database()


def test_a_corrupt_database(cli: Cli, folder: Path) -> None:
    made(cli, "t")
    file = folder / "runs" / "state.db"
    file.write_bytes(b"certainly not a database" * 100)
    done = cli("bead", "list")
    assert (done.code, done.err.count("\n")) == (4, 1)
    assert "is not a SQLite database" in done.err


def test_a_read_only_database(
    cli: Cli, unprivileged_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_HOME", str(unprivileged_folder))
    made(cli, "t")
    file = unprivileged_folder / "state.db"
    content = file.read_bytes()
    file.chmod(0o444)
    done = cli("bead", "create", "u")
    assert (done.code, done.err.count("\n")) == (4, 1)
    assert "is read-only; set HARNESS_HOME to a writable folder" in done.err
    assert file.read_bytes() == content


def test_a_full_disk(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    made(cli, "t")
    before = said(cli, "list")
    configure = sqlite._configure

    def small(connection: sqlite3.Connection) -> None:
        configure(connection)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "_configure", small)
        done = cli("bead", "create", "u", "--body", "x" * 1_000_000)
        assert (done.code, done.err.count("\n")) == (4, 1)
        assert "the disk is full; nothing was changed" in done.err
    assert said(cli, "list") == before


@pytest.mark.slow
def test_a_file_that_may_not_grow(folder: Path) -> None:
    bead("import", "-", input=FILE)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    done = bead("create", "u", "--body", "-", input=b"x" * 1_000_000, preexec_fn=limit)
    assert done.returncode == 4, done.stderr
    assert done.stderr.count(b"\n") == 1
    assert b"full" in done.stderr
    assert bead("export").stdout == FILE


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", [("export",), ("list",)])
def test_an_output_that_is_full(folder: Path, words: tuple[str, ...]) -> None:
    bead("import", "-", input=FILE)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "harness", "bead", *words], stdout=full, stderr=subprocess.PIPE,
            check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert (done.returncode, done.stderr.count(b"\n")) == (4, 1)
    assert b"No space left on device" in done.stderr


@pytest.mark.slow
def test_what_runs_made_is_apart_from_your_own(cli: Cli) -> None:
    mine = made(cli, "mine")
    store = BeadStore.open(database_url())
    for name in ("run-one", "run-two"):
        store.create("step", f"step of {name}", run_id=name, priority=0)
    store.close_database()
    for verb in ("ready", "list"):
        assert [b["id"] for b in said(cli, verb)] == [mine]
        assert [b["title"] for b in said(cli, verb, "--run", "run-one")] == ["step of run-one"]
        assert len(said(cli, verb, "--run", "all")) == 3
    assert [b["id"] for b in said(cli, "ready", "--label", "none")] == []
    assert said(cli, "claim", "--next")["id"] == mine
    assert said(cli, "claim", "--next", code=1)["error"] == "nothing is ready to be claimed"
    assert said(cli, "claim", "--next", "--run", "run-two")["title"] == "step of run-two"
    assert cli("bead", "export").out.count("\n") == 3
    done = cli("bead", "claim", "--next", "--renew")
    assert (done.code, done.err.count("\n")) == (2, 1)
