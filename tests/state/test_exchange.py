"""Issues in and out: lossless, stable, merged by the newest, all or nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from state import BeadStore, UsageError
from state.exchange import ImportReport, export, export_lines, import_lines
from state.models import ForeignLine
from tests.state.issues import FILE, ISSUES

REAL = "beads_export.jsonl"


def take(store: BeadStore, content: bytes, *, dry_run: bool = False) -> ImportReport:
    return import_lines(store, content.split(b"\n"), "issues.jsonl", dry_run=dry_run)


def give(store: BeadStore) -> bytes:
    return "".join(f"{line}\n" for line in export_lines(store)).encode()


def record(number: int, **changes: object) -> bytes:
    return json.dumps({**json.loads(ISSUES[number]), **changes}).encode()


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BeadStore]:
    postgres = request.param == "postgres"
    store = BeadStore.open(
        request.getfixturevalue("postgres_url") if postgres else tmp_path / "state.db"
    )
    yield store
    store.close_database()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[BeadStore]:
    store = BeadStore.open(tmp_path / "other.db")
    yield store
    store.close_database()


def real_export() -> bytes:
    chosen = os.environ.get("HARNESS_SHARED_DATA")
    beside = Path(__file__).parents[3] / "shared" / "data"
    file = (Path(chosen) if chosen else beside) / REAL
    if not file.is_file():
        pytest.skip(f"no {REAL}; set HARNESS_SHARED_DATA to its folder")
    return file.read_bytes()


def test_every_feature_comes_back_as_it_was(store: BeadStore, other: BeadStore) -> None:
    report = take(store, FILE)
    assert (len(report.created), report.comments, report.conflicts) == (6, 2, [])
    assert report.dangling == [("bd-03", "external:other:thing", "waits-for")]
    assert give(store) == FILE
    take(other, give(store))
    assert give(other) == FILE


def test_what_an_import_means(store: BeadStore) -> None:
    take(store, FILE)
    lexer = store.get("bd-01.1")
    assert (lexer.status, lexer.assignee, lexer.lease_until) == ("in_progress", "ann", None)
    assert (lexer.parent, lexer.labels, lexer.notes) == ("bd-01", ["lexer", "a,b"], "halfway")
    assert lexer.updated_at == 1762329600.123456
    assert store.get("bd-05").status == "deferred", "unfinished, but nobody's next work"
    assert [bead.id for bead in store.ready()] == [], "an epic waits for its parts"
    assert [bead.id for bead in store.blocked()] == ["bd-03"]


def test_importing_again_changes_nothing(store: BeadStore) -> None:
    take(store, FILE)
    before = store.query()
    report = take(store, FILE)
    assert (report.created, report.updated, report.conflicts) == ([], [], [])
    assert (report.unchanged, report.comments) == (6, 0)
    assert store.query() == before


def test_our_own_beads_travel_whole(store: BeadStore, other: BeadStore) -> None:
    top = store.create("epic", "top", run_id="run-1")
    step = store.create(
        "step", "step", key="run-1|step|1", parent=top.id, data={"n": [1]}, run_id="run-1",
        tier="architect", confidence=0.5, surprise=0.0, labels=["x"],
    )  # fmt: skip
    store.claim(step.id, assignee="me", lease_s=60)
    store.add_dependency(step.id, top.id, "related")
    take(other, give(store))
    assert other.get(step.id).model_dump(exclude={"surprise"}) == store.get(step.id).model_dump(
        exclude={"surprise"}
    )
    assert [(e.to_id, e.type) for e in other.dependencies(step.id)] == [
        (e.to_id, e.type) for e in store.dependencies(step.id)
    ]
    assert give(other) == give(store)
    assert other.create("step", "again", key="run-1|step|1").id == step.id


def test_a_changed_field_is_written_anew_and_the_others_stay(store: BeadStore) -> None:
    take(store, FILE)
    store.update("bd-05", status="open", title="Renamed")
    said = json.loads(next(line for line in export_lines(store) if '"bd-05"' in line))
    assert (said["status"], said["title"]) == ("open", "Renamed")
    assert said["issue_type"] == "molecule"
    assert said["created_at"] == "0001-01-01T00:00:00Z"
    assert said["nested"] == {"b": [1, 2.5, None], "a": {"z": 1, "y": "<\u2028"}}
    assert said["updated_at"] > "2026"


class TestMerge:
    def test_the_newer_version_wins(self, store: BeadStore) -> None:
        take(store, FILE)
        newer = record(2, title="Grammar 2", updated_at="2025-11-04T00:00:01Z", status="open")
        report = take(store, newer)
        assert (report.updated, report.conflicts) == (["bd-02"], [])
        assert store.get("bd-02").title == "Grammar 2"
        assert "bd-01.1" in [bead.id for bead in store.blocked()], "its blocker is open again"

    def test_an_older_version_is_reported_and_passed_over(self, store: BeadStore) -> None:
        take(store, FILE)
        report = take(store, record(2, title="Old", updated_at="2025-11-03T00:00:00Z"))
        (conflict,) = report.conflicts
        assert (conflict.id, conflict.line, conflict.why) == ("bd-02", 1, "older")
        assert conflict.fields == ("title", "updated_at")
        assert give(store) == FILE

    def test_two_versions_of_the_same_time_are_a_conflict(self, store: BeadStore) -> None:
        take(store, FILE)
        report = take(store, FILE + record(0, title="Other", priority=4))
        (conflict,) = report.conflicts
        assert (conflict.line, conflict.why) == (7, "same time")
        assert conflict.fields == ("priority", "title")
        assert give(store) == FILE

    def test_dependencies_of_the_newer_version_replace(self, store: BeadStore) -> None:
        take(store, FILE)
        take(store, record(1, dependencies=[], updated_at="2026-01-01T00:00:00Z"))
        assert store.dependencies("bd-01.1") == []
        assert store.get("bd-01.1").parent is None

    def test_comments_are_only_ever_added(self, store: BeadStore) -> None:
        take(store, FILE)
        said = {"id": 1, "author": "cy", "text": "Third", "created_at": "2025-12-15T00:00:00Z"}
        older = record(1, comments=[said], updated_at="2025-01-01T00:00:00Z")
        assert take(store, older).comments == 1
        assert take(store, older).comments == 0
        line = next(line for line in export_lines(store) if '"bd-01.1"' in line)
        assert [c["text"] for c in json.loads(line)["comments"]] == [
            "First\nline", "Second", "Third",
        ]  # fmt: skip

    def test_the_newest_of_several_lines_wins(self, store: BeadStore) -> None:
        late = record(2, title="Late", updated_at="2026-01-01T00:00:00Z")
        report = take(store, late + b"\n" + FILE)
        assert store.get("bd-02").title == "Late"
        assert [conflict.why for conflict in report.conflicts] == ["older"]

    def test_a_dry_run_says_the_same_and_writes_nothing(self, store: BeadStore) -> None:
        report = take(store, FILE, dry_run=True)
        assert len(report.created) == 6
        assert store.query() == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"id":"x"', "no JSON (Expecting ',' delimiter)"),
        (b"<<<<<<< HEAD", "it is a mark of an unresolved merge"),
        (b"[1]", "no JSON object"),
        (b'{"id":"x","title":"\xff"}', "is not UTF-8 text"),
        (b'{"title":"t"}', "needs an id"),
        (b'{"id":"x"}', "x needs a title"),
        (b'{"id":"x","title":7}', "title should be text, not 7"),
        (b'{"id":"x","title":"t","priority":5}', "priority is 0 (most urgent) to 4, not 5"),
        (b'{"id":"x","title":"t","priority":true}', "priority is 0"),
        (b'{"id":"x","title":"t","created_at":"yesterday"}', "created_at should be a time such as"),
        (b'{"id":"x","title":"t","labels":"a"}', "labels should be a list"),
        (b'{"id":"x","title":"t","dependencies":[1]}', "dependencies should be a list of objects"),
        (b'{"id":"x","title":"t","dependencies":[{"type":"blocks"}]}', "without depends_on_id"),
        (b'{"id":"x","title":"t","dependencies":[{"depends_on_id":"x"}]}', "x depends on itself"),
        (b'{"id":"x","title":"a\\u0000b"}', "a character that no database can store"),
        (b'{"id":"x","title":"\\ud800"}', "a character that no database can store"),
        (b'{"id":"x","title":"t","\\ud800":1}', "a character that no database can store"),
        (b'{"id":"x","title":"t","\\u0000":1}', "a character that no database can store"),
        (b'{"id":"x","title":"t","m":{"a":[{"\\udc00":1}]}}', "a character that no database"),
        (b'{"id":"x","title":"t","m":"\\ud800"}', "m holds a character that no database"),
        (b'{"id":"x","title":"t","design":"\\u0000"}', "design holds a character that no"),
        (b'{"id":"x","title":"t","hi_moe":{"key":"\\ud800"}}', "a character that no database"),
        (b'{"id":"x","title":"t","hi_moe":{"run_id":"\\u0000"}}', "hi_moe.run_id holds a character"),
        (b'{"_type":"memory","key":"\\ud800"}', "key holds a character that no database"),
        (b'{"_type":"\\ud800","key":"k"}', "_type holds a character that no database"),
        (b'{"id":"x","title":"t","n":1e400}', "1e400 is too large a number"),
        (b'{"id":"x","title":"t","hi_moe":{"attempts":2147483648}}', "attempts is too large"),
        (b'{"id":"x","title":"t","hi_moe":{"surprise":1' + b"0" * 400 + b"}}", "is too large a"),
        (b'{"id":"x","title":"t","n":NaN}', "NaN is no number"),
        (b'{"id":"x","title":"t","hi_moe":{"data":3}}', "hi_moe.data has a value of the wrong type"),
        (b"[" * 200_000, "nested too deeply"),
    ],
)  # fmt: skip
def test_a_malformed_line_is_named_and_nothing_written(
    other: BeadStore, line: bytes, says: str
) -> None:
    with pytest.raises(UsageError) as caught:
        take(other, FILE + b"\n" + line + b"\n")
    assert str(caught.value).startswith("issues.jsonl line 8: ")
    assert says in str(caught.value)
    assert str(caught.value).endswith("; nothing was imported")
    assert other.query() == []


def test_odd_characters_in_fields_of_others_come_back(store: BeadStore, other: BeadStore) -> None:
    line = (
        r'{"id":"x","title":"\ud834\udd1e","m":"\u0000\u003c","hi_moe":{"lease_until":4102444800,'
        r'"data":{"a":"\u0000"}}}'
    )
    memory = r'{"_type":"memory","key":"a","value":"\ud800"}'
    take(store, f"{line}\n{memory}\n".encode())
    bead = store.get("x")
    assert (bead.title, bead.extra["m"], bead.data) == ("𝄞", "\0<", {"a": "\0"})
    assert give(store).splitlines()[1] == memory.encode()
    take(other, give(store))
    assert give(other) == give(store)


def test_a_cycle_is_refused(store: BeadStore) -> None:
    take(store, FILE)
    needs = {"issue_id": "bd-02", "depends_on_id": "bd-01.1", "type": "blocks"}
    newer = record(2, dependencies=[needs], updated_at="2026-01-01T00:00:00Z")
    with pytest.raises(UsageError, match=r"close a cycle: bd-01\.1 → bd-02 → bd-01\.1; nothing"):
        take(store, newer)
    assert give(store) == FILE


def test_windows_files_and_empty_lines(other: BeadStore) -> None:
    take(other, b"\xef\xbb\xbf" + FILE.replace(b"\n", b"\r\n\r\n"))
    assert give(other) == FILE


def test_a_dependency_comes_alive_when_its_target_does(store: BeadStore) -> None:
    lines = FILE.split(b"\n")
    take(store, lines[1])
    assert [bead.id for bead in store.blocked()] == []
    take(store, record(2, status="open", closed_at=None))
    assert [bead.id for bead in store.blocked()] == ["bd-01.1"]


@pytest.mark.slow
def test_the_real_export_comes_back_byte_for_byte(store: BeadStore, other: BeadStore) -> None:
    content = real_export()
    report = take(store, content)
    assert len(report.created) == content.count(b"\n")
    assert give(store) == content
    assert take(store, content).unchanged == len(report.created)
    take(other, give(store))
    assert give(other) == content


MEMORY = b'{"_type":"memory","key":"k","value":"v"}'
HEADER = b'{"_schema":"beads-jsonl/1","_sort":"stable-v1"}'


@pytest.mark.slow
def test_lines_of_other_types_are_kept_and_come_out_again(store: BeadStore) -> None:
    content = b"\n".join([HEADER, FILE.rstrip(), MEMORY, b'{"_type":7,"x":[1]}', b""])
    report = take(store, content)
    assert (len(report.created), report.kept) == (6, {"header": 1, "memory": 1, "7": 1})
    assert give(store) == content
    assert take(store, content).unchanged == 6
    assert give(store) == content
    take(store, MEMORY.replace(b'"v"', b'"w"'))
    assert give(store) == content.replace(b'"value":"v"', b'"value":"w"')
    assert b"memory" not in b"".join(line.encode() for line in export_lines(store, kind="epic")), (
        "a part of the beads is no copy of the file"
    )


def test_a_newer_header_replaces_the_older(store: BeadStore, other: BeadStore) -> None:
    newer = HEADER.replace(b"/1", b"/2")
    for header in (HEADER, newer, HEADER, newer):
        take(store, b"\n".join([header, FILE.rstrip(), MEMORY, b""]))
        assert give(store) == b"\n".join([header, FILE.rstrip(), MEMORY, b""])
        take(other, give(store))
        assert give(other) == give(store)
    take(store, b"\n".join([HEADER, newer, HEADER, MEMORY, MEMORY.replace(b'"v"', b'"w"')]))
    assert give(store).startswith(HEADER + b"\n{")
    assert (give(store).count(b"_schema"), give(store).count(b'"key":"k"')) == (1, 1)
    assert give(store).endswith(MEMORY.replace(b'"v"', b'"w"') + b"\n")


def test_headers_that_have_piled_up_come_out_as_one(store: BeadStore) -> None:
    with store.database.writing() as tx:
        for number in (b"/1", b"/2"):
            text = HEADER.replace(b"/1", number).decode()
            tx.insert([ForeignLine(type="header", text=text)], leaving_out=("sequence",))
    assert give(store) == HEADER.replace(b"/1", b"/2") + b"\n"
    take(store, HEADER)
    assert give(store) == HEADER + b"\n"


def test_the_parts_of_an_export_are_told_apart(store: BeadStore) -> None:
    take(store, b"\n".join([HEADER, FILE.rstrip(), MEMORY, b'{"_type":"config"}']))
    made = export(store)
    assert (len(made.header), len(made.beads), len(made.others)) == (1, 6, 2)
    assert made.lines == export_lines(store)
    assert export(store, kind="epic").others == []


def test_a_dry_run_keeps_no_line(store: BeadStore) -> None:
    assert take(store, MEMORY, dry_run=True).kept == {"memory": 1}
    assert give(store) == b""


def test_an_issue_that_says_so_is_one(store: BeadStore) -> None:
    said = {
        "_type": "issue", "id": "m-1", "title": "x", "status": "open", "priority": 2,
        "issue_type": "task", "created_at": "2026-06-01T10:00:00Z",
        "updated_at": "2026-06-01T10:00:00Z", "due_at": "2026-07-01T00:00:00+02:00",
        "defer_until": "2026-06-02T00:00:00Z", "ephemeral": True, "dependency_count": 0,
        "comment_count": 0,
    }  # fmt: skip
    issue = json.dumps(said, separators=(",", ":")).encode() + b"\n"
    take(store, issue)
    assert give(store) == issue
    bead = store.get("m-1")
    assert (bead.due_at, bead.defer_until) == (1782856800.0, 1780358400.0)
    store.update("m-1", due_at=None)
    assert b"due_at" not in give(store)
    assert b"defer_until" in give(store)


def test_what_its_program_computes_is_no_difference(store: BeadStore) -> None:
    take(store, record(0, dependent_count=3))
    again = take(store, record(0, dependent_count=4))
    assert (again.unchanged, again.conflicts) == (1, [])
