"""Bead commands at the edges of what can be written: odd dates, odd characters, odd files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.ui.text_tables import when
from state import BeadStore
from state.fields import FIRST, LAST, moment
from tests.harness.conftest import Cli


@pytest.fixture(params=["UTC", "Pacific/Kiritimati", "America/New_York"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The zone of the machine: no offset, far to the east, to the west."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


EDGES = (
    "0001-01-01", "0001-01-01T00:00", "0001-01-01T00:00Z", "0001-01-01T00:00+14:00",
    "9999-12-31", "9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59-14:00", "10000-01-01",
    "0000-01-01", "+999999w", "-999999w", "-750000d",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("text", EDGES)
def test_a_date_at_an_end_of_the_calendar_is_taken_or_refused(
    cli: Cli, zone: str, text: str
) -> None:
    cli("bead", "create", "one")
    (one,) = json.loads(cli("bead", "list", "--json").out)
    for words in (
        ("create", "x", f"--due={text}"),
        ("create", "x", f"--defer={text}"),
        ("update", one["id"], f"--due={text}"),
        ("due", one["id"], "--", text),
        ("list", f"--due-before={text}"),
    ):
        said = cli("bead", *words)
        assert said.code in (0, 2), said.err
        assert said.err.count("\n") == (said.code == 2)
        assert cli("bead", "history", one["id"]).code == 0
    assert cli("bead", "list").code == cli("bead", "due").code == cli("bead", "export").code == 0


def test_what_is_too_far_away_says_so(cli: Cli, zone: str) -> None:
    for text in ("0001-01-01", "+999999w", "9999-12-31T23:59-14:00"):
        said = cli("bead", "create", "x", f"--due={text}")
        says = f"error: --due: {text} is too far away; choose a year from 2 to 9998\n"
        assert (said.code, said.err) == (2, says)
    for text in ("0002-01-01", "9998-12-31"):
        assert cli("bead", "create", text, "--due", text).code == 0
        assert f"{text} (due {text} 23:59)" in cli("bead", "due").out
    never = cli("bead", "create", "x", "--due", "9999-12-31")
    assert never.code == (0 if zone == "UTC" else 2)


@pytest.mark.slow
def test_stored_dates_at_the_ends_of_the_calendar_are_shown(
    cli: Cli, folder: Path, zone: str
) -> None:
    first, last = "0001-01-01T00:00:00", "9999-12-31T23:59:59"
    records = [
        {
            "id": "x-1", "title": "first", "created_at": f"{first}Z", "updated_at": f"{first}Z",
            "due_at": f"{first}+14:00",
            "comments": [{"author": "a", "text": "t", "created_at": f"{first}+23:00"}],
        },
        {
            "id": "x-2", "title": "last", "created_at": f"{last}.9999999Z",
            "updated_at": f"{last}-14:00", "due_at": f"{last}Z", "defer_until": f"{last}-12:00",
            "dependencies": [{"depends_on_id": "x-1", "created_at": f"{last}-12:00"}],
        },
        {"id": "x-3", "title": "held", "status": "in_progress", "hi_moe": {"lease_until": 1e300}},
    ]  # fmt: skip
    Path("in.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in records))
    assert "created 3" in cli("bead", "import", "in.jsonl").out
    lines = [json.loads(line) for line in cli("bead", "export").out.splitlines()]
    for record, line in zip(records, lines, strict=True):
        for name in ("created_at", "updated_at", "due_at", "defer_until", "hi_moe"):
            assert line.get(name, record.get(name)) == record.get(name, line.get(name))
    assert "unchanged 3" in cli("bead", "import", "in.jsonl").out
    assert "due          0001-01-01 00:00 UTC" in cli("bead", "show", "x-1").out
    assert "lease until  9999-12-31 23:59 UTC" in cli("bead", "show", "x-3").out
    (held,) = json.loads(cli("bead", "list", "--status", "in_progress", "--json").out)
    assert held["lease_until"] == "9999-12-31T23:59:59Z"
    for words in ("show x-2", "history x-1", "history x-2", "stats", "doctor", "context x-1",
                  "dep tree x-2", "claim x-1 --lease 1e300", "show x-1"):  # fmt: skip
        assert cli("bead", *words.split()).code == 0, words


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(float("-inf"), "0001-01-01T00:00:00Z"), (FIRST, "0001-01-01T00:00:00Z"),
     (LAST, "9999-12-31T23:59:59Z"), (LAST + 1, "9999-12-31T23:59:59Z"),
     (1e300, "9999-12-31T23:59:59Z"), (0.25, "1970-01-01T00:00:00.25Z")],
)  # fmt: skip
def test_every_number_of_seconds_has_a_date(seconds: float, wanted: str, zone: str) -> None:
    assert moment(seconds) == wanted
    assert len(when(seconds)) in (16, 20)


NO_TEXT = "a\udcff"
"""The text that Python makes of an argument that is not UTF-8."""


@pytest.mark.parametrize(
    "words",
    [f"bead create {NO_TEXT}", f"bead create x -d {NO_TEXT}", f"bead show {NO_TEXT} --json",
     f"bead --db {NO_TEXT} list", f"bead search {NO_TEXT}", f"bead export -o {NO_TEXT}",
     f"bead claim --next --as {NO_TEXT}", f"run {NO_TEXT}", f"eval compare --out {NO_TEXT}",
     NO_TEXT],
)  # fmt: skip
def test_an_argument_that_is_no_text_is_one_line(cli: Cli, folder: Path, words: str) -> None:
    said = cli(*words.split())
    says = r"the argument a\udcff is not UTF-8 text; give it in UTF-8"
    assert said.code == 2
    if "--json" in words:
        assert json.loads(said.out) == {"error": says, "exit_code": 2}
    else:
        assert (said.out, said.err) == ("", f"error: {says}\n")
    assert list(folder.iterdir()) == []


def test_a_setting_of_the_environment_that_is_no_text_is_one_line(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_ACTOR", NO_TEXT)
    said = cli("bead", "create", "x")
    assert said.code == 2
    assert said.err == "error: HARNESS_ACTOR a\\udcff is not UTF-8 text; give it in UTF-8\n"


@pytest.mark.slow
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("given", [b"a\xff", b"a\0b"])
def test_an_input_that_is_no_text_is_one_line(folder: Path, given: bytes, locale: str) -> None:
    command = [sys.executable, "-m", "harness", "bead", "create", "x", "-d", "-"]
    environment = {**os.environ, "LC_ALL": locale}
    done = subprocess.run(command, input=given, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert b"not UTF-8 text" in done.stderr or b"NUL" in done.stderr


def test_what_older_imports_kept_is_printed(cli: Cli) -> None:
    store = BeadStore.open(Path("runs/state.db"))
    bead = store.create("task", "t", extra={"design": "a\ud800", "\udfff": [1]})
    store.close_database()
    (row,) = json.loads(cli("bead", "list", "--json").out)
    assert row["extra"] == bead.extra
    for verb in ("show", "history"):
        assert cli("bead", verb, bead.id).code == 0


def test_a_limit_beyond_every_number_is_none(cli: Cli) -> None:
    cli("bead", "create", "one")
    for verb in (("list",), ("ready",), ("search", "one"), ("blocked",), ("due",)):
        assert cli("bead", *verb, "--limit", "1" + "0" * 30).code == 0, verb


LINES = ("one\r\ntwo\r\n", "one\r\ntwo", "one\rtwo\r", "one\n\rtwo\r\n\nthree", "\r\n", "plain")


@pytest.mark.slow
@pytest.mark.parametrize("text", LINES)
def test_what_is_not_edited_stays_as_it_is(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    record = {"id": "x-1", "title": "two  words ", "description": text, "notes": text,
              "design": text, "updated_at": "2025-01-01T00:00:00Z"}  # fmt: skip
    (folder / "in.jsonl").write_text(json.dumps(record))
    cli("bead", "import", "in.jsonl")
    before = cli("bead", "export").out
    ending = "path.write_bytes(path.read_bytes() + (b'' if path.read_bytes()[-1:] == b'\\n' else b'\\n'))"
    for program in ("", ending):
        editor(folder, monkeypatch, program)
        for field in ("description", "notes", "design", "title"):
            assert cli("bead", "edit", "x-1", "--field", field).out.startswith("unchanged x-1")
    assert cli("bead", "export").out == before
    editor(folder, monkeypatch, "path.write_bytes(path.read_bytes().replace(b'o', b'0'))")
    cli("bead", "edit", "x-1")
    (bead,) = json.loads(cli("bead", "list", "--json").out)
    assert bead["body"] == text.replace("o", "0")


def test_an_editor_may_end_the_last_line_as_the_others(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("bead", "create", "x", "-d", "one\r\ntwo")
    editor(folder, monkeypatch, "path.write_bytes(b'one\\r\\nthree\\r\\n')")
    cli("bead", "edit", json.loads(cli("bead", "list", "--json").out)[0]["id"])
    (bead,) = json.loads(cli("bead", "list", "--json").out)
    assert bead["body"] == "one\r\nthree"


def test_an_edit_with_nul_changes_nothing(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("bead", "create", "x", "-d", "text")
    (bead,) = json.loads(cli("bead", "list", "--json").out)
    editor(folder, monkeypatch, "path.write_bytes(b'a\\0b')")
    said = cli("bead", "edit", bead["id"])
    assert (said.code, "holds NUL" in said.err, said.err.count("\n")) == (2, True, 1)
    assert json.loads(cli("bead", "list", "--json").out) == [bead]


@pytest.mark.slow
def test_the_line_endings_of_the_input_stay(folder: Path) -> None:
    command = [sys.executable, "-m", "harness", "bead", "create", "x", "--json", "-d", "-"]
    given = "one\r\ntwo\rü\n"
    done = subprocess.run(command, input=given.encode(), capture_output=True, check=True)
    assert json.loads(done.stdout)["body"] == given


def editor(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    file = folder / "editor.py"
    file.write_text(f"import pathlib, sys\npath = pathlib.Path(sys.argv[-1])\n{program}\n")
    monkeypatch.setenv("VISUAL", f"{sys.executable} '{file}'")


def test_closing_and_deleting_by_update(cli: Cli) -> None:
    cli("bead", "create", "top", "-t", "epic")
    top = json.loads(cli("bead", "list", "--json").out)[0]["id"]
    cli("bead", "create", "part", "--parent", top)
    (part,) = (b["id"] for b in json.loads(cli("bead", "list", "--json").out) if b["id"] != top)
    said = cli("bead", "update", top, "--status", "tombstone")
    assert (said.code, "`harness bead delete` deletes one" in said.err) == (2, True)
    said = cli("bead", "update", top, "--status", "closed")
    assert (said.code, "`harness bead close --force`" in said.err) == (1, True)
    assert cli("bead", "update", top, part, "--status", "closed").code == 0
    assert cli("bead", "close", top.partition("-")[2]).code == 0
    assert cli("bead", "delete", part).code == 0
    said = cli("bead", "close", part)
    assert (said.code, said.out) == (1, "")
    assert f"bead {part} is deleted" in said.err


@pytest.mark.slow
def test_nobody_is_called_nobody(cli: Cli) -> None:
    cli("bead", "create", "x")
    (bead,) = json.loads(cli("bead", "list", "--json").out)
    cli("bead", "update", bead["id"], "--status", "in_progress")
    for words in (("claim", bead["id"]), ("claim", bead["id"], "--renew")):
        said = cli("bead", *words)
        assert (said.code, "None" in said.err, "nobody" in said.err) == (1, False, True)
    cli("bead", "update", bead["id"], "--status", "open")
    assert cli("bead", "claim", bead["id"]).code == 0


def test_an_export_counts_beads_alone(cli: Cli, folder: Path) -> None:
    others = ['{"_schema":"1"}', '{"_type":"memory","key":"k"}', '{"_type":"memory"}']
    (folder / "in.jsonl").write_text("\n".join([*others, '{"id":"x-1","title":"t"}']))
    cli("bead", "import", "in.jsonl")
    said = cli("bead", "export", "-o", "out.jsonl")
    assert said.out == "wrote 1 bead and 3 other lines to out.jsonl\n"
    assert len((folder / "out.jsonl").read_text().splitlines()) == 4
    assert json.loads(cli("bead", "export", "-o", "out.jsonl", "--json").out)["beads"] == 1
    cli("bead", "create", "two")
    assert cli("bead", "export", "-o", "o", "-t", "task").out == "wrote 2 beads to o\n"
    assert cli("bead", "export", "-o", "o", "-t", "bug").out == "wrote 0 beads to o\n"
