"""What is offered as work, what may be closed or deleted, and what is written down: on every database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from state import BeadStore, ClaimError, Dependency, UsageError, health
from state.exchange import export_lines, import_lines
from state.models import Bead
from state.rules import refuse_kind
from state.tracker import Tracker
from tests.state.clock import Clock

DAY = "2025-01-0{}T00:00:00Z"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[BeadStore]:
    postgres = request.param == "postgres"
    url = request.getfixturevalue("postgres_url") if postgres else str(tmp_path / "state.db")
    store = BeadStore.open(url, clock)
    yield store
    store.close_database()


@pytest.fixture
def tracker(store: BeadStore) -> Tracker:
    return Tracker(store)


def take(store: BeadStore, *records: dict[str, object]) -> None:
    """Import issues; what a record does not say is a task of priority 2."""
    plain = {"title": "t", "status": "open", "priority": 2, "created_at": DAY.format(1)}
    lines = [json.dumps({**plain, **record}).encode() for record in records]
    import_lines(store, lines, "issues.jsonl")


def on(target: str, type: str, **more: str) -> dict[str, str]:
    return {"depends_on_id": target, "type": type, **more}


def ready(store: BeadStore) -> list[str]:
    """What is offered, looked at in every way there is, which must agree."""
    found = [bead.id for bead in store.ready()]
    assert [bead.id for bead in store.ready(limit=100)] == found
    assert Tracker(store).stats().ready == len(found)
    (waiting,) = [check for check in health.examine(store) if check.name == "waiting"]
    assert waiting.ok, waiting
    return found


class TestOffered:
    @pytest.mark.parametrize("type", ["blocks", "conditional-blocks", "waits-for"])
    def test_not_what_waits(self, store: BeadStore, tracker: Tracker, type: str) -> None:
        take(store, {"id": "bd-1"}, {"id": "bd-2", "dependencies": [on("bd-1", type)]})
        assert ready(store) == ["bd-1"]
        assert [bead.id for bead in store.blocked()] == ["bd-2"]
        with pytest.raises(ClaimError, match="waits for bd-1"):
            tracker.claim("bd-2", assignee="a", lease_s=9)
        tracker.close(["bd-1"])
        assert ready(store) == ["bd-2"]

    def test_what_waits_for_parts(self, store: BeadStore, tracker: Tracker) -> None:
        part = {"dependencies": [on("bd-1", "parent-child")]}
        gate = on("bd-1", "waits-for", metadata='{"gate":"any-children"}')
        take(
            store,
            {"id": "bd-1"}, {"id": "bd-2", **part}, {"id": "bd-3", **part},
            {"id": "bd-all", "dependencies": [on("bd-1", "waits-for")]},
            {"id": "bd-any", "dependencies": [gate]},
        )  # fmt: skip
        assert ready(store) == ["bd-1", "bd-2", "bd-3"]
        tracker.close(["bd-2"])
        assert ready(store) == ["bd-1", "bd-3", "bd-any"]
        tracker.close(["bd-3"])
        assert ready(store) == ["bd-1", "bd-all", "bd-any"]
        tracker.reopen(["bd-3"])
        assert ready(store) == ["bd-1", "bd-3", "bd-any"]
        tracker.update(["bd-3"], parent=None)
        assert ready(store) == ["bd-1", "bd-3", "bd-all", "bd-any"]
        tracker.create("task", "new", parent="bd-1")
        assert "bd-all" not in ready(store)

    def test_not_what_is_deferred_nor_its_parts(
        self, store: BeadStore, tracker: Tracker, clock: Clock
    ) -> None:
        clock.now = 1735689600.0  # the first of January 2025
        take(
            store,
            {"id": "bd-1", "defer_until": DAY.format(3)},
            {"id": "bd-2", "dependencies": [on("bd-1", "parent-child")]},
            {"id": "bd-3", "defer_until": "2024-12-31T00:00:00Z"},
        )  # fmt: skip
        assert ready(store) == ["bd-3"]
        with pytest.raises(ClaimError, match="bd-2 is deferred, or part of what is"):
            tracker.claim("bd-2", assignee="a", lease_s=9)
        assert tracker.claim(assignee="a", lease_s=1).id == "bd-3"
        clock.advance(3 * 86400)
        assert ready(store) == ["bd-1", "bd-2", "bd-3"]

    @pytest.mark.parametrize(
        "said",
        [
            *(
                {"issue_type": kind}
                for kind in (
                    "gate", "message", "molecule", "event", "agent", "role", "rig",
                    "merge-request",
                )
            ),
            *({name: True} for name in ("pinned", "is_template", "ephemeral", "wisp")),
            {"status": "pinned"}, {"status": "hooked"}, {"status": "some custom one"},
        ],
    )  # fmt: skip
    def test_not_what_is_no_work(
        self, store: BeadStore, tracker: Tracker, said: dict[str, object]
    ) -> None:
        take(store, {"id": "bd-1", **said}, {"id": "bd-2", "dependencies": [on("bd-1", "blocks")]})
        held = said != {"status": "pinned"}
        assert ready(store) == ([] if held else ["bd-2"]), "a pinned one stays, and holds nobody"
        with pytest.raises(ClaimError, match="is no work to claim"):
            tracker.claim("bd-1", assignee="a", lease_s=9)
        with pytest.raises(ClaimError, match="nothing is ready"):
            tracker.claim(assignee="a", lease_s=9, priority=3)

    def test_custom_kinds_of_work_are_offered(self, store: BeadStore) -> None:
        take(store, {"id": "bd-1", "issue_type": "spike"}, {"id": "bd-2", "pinned": False})
        assert ready(store) == ["bd-1", "bd-2"]

    def test_no_epic_before_its_parts(self, store: BeadStore, tracker: Tracker) -> None:
        top = store.create("epic", "top", priority=0)
        part = store.create("task", "part", parent=top.id)
        store.create("decision", "noted", parent=top.id)
        assert ready(store) == [part.id]
        assert tracker.claim(assignee="a", lease_s=9).id == part.id
        with pytest.raises(ClaimError):
            tracker.claim(assignee="a", lease_s=9)
        assert tracker.claim(top.id, assignee="a", lease_s=9).id == top.id, "by its id"
        store.release(top.id)
        tracker.close([part.id])
        assert ready(store) == [top.id]


@pytest.mark.slow
class TestClosing:
    def test_an_epic_with_open_parts(self, store: BeadStore, tracker: Tracker) -> None:
        top = store.create("epic", "top")
        parts = [store.create("task", f"p{n}", parent=top.id).id for n in range(2)]
        for attempt in (
            lambda: tracker.close([top.id]),
            lambda: tracker.update([top.id], status="closed"),
            lambda: tracker.close([parts[0], top.id]),
        ):
            with pytest.raises(ClaimError, match=f"epic {top.id} has open parts: .*{parts[1]}"):
                attempt()
        assert {store.get(id).status for id in (top.id, *parts)} == {"open"}
        tracker.close([top.id, *parts])
        tracker.reopen([top.id, *parts])
        tracker.close([top.id], force=True)
        assert store.get(parts[0]).status == "open"

    def test_what_waits(self, store: BeadStore, tracker: Tracker) -> None:
        first, second = store.create("task", "first"), store.create("task", "second")
        part = store.create("task", "part", parent=second.id)
        store.add_dependency(second.id, first.id)
        for id in (second.id, part.id):
            with pytest.raises(ClaimError, match=f"bead {id} waits for {first.id}"):
                tracker.close([id], "done")
        tracker.close([second.id, first.id, part.id])
        tracker.reopen([first.id, second.id])
        tracker.close([second.id], force=True)
        assert store.get(second.id).status == "closed"

    def test_tasks_with_parts_and_hands_that_mark_may_close(
        self, store: BeadStore, tracker: Tracker
    ) -> None:
        task = store.create("task", "task", status="blocked")
        store.create("task", "part", parent=task.id)
        assert tracker.close([task.id])[0].status == "closed"

    @pytest.mark.parametrize("verb", ["close", "update"])
    def test_one_rule_for_every_way_to_close(
        self, store: BeadStore, tracker: Tracker, verb: str
    ) -> None:
        def close(*ids: str) -> list[str]:
            if verb == "close":
                return [bead.id for bead in tracker.close(ids)]
            return [bead.id for bead in tracker.update(ids, status="closed")]

        top = store.create("epic", "top")
        parts = [store.create("task", f"p{n}", parent=top.id).id for n in range(2)]
        after = store.create("task", "after")
        store.add_dependency(after.id, parts[0])
        for ids in ([top.id], [top.id, parts[0]], [after.id]):
            with pytest.raises(ClaimError, match="use `harness bead close --force`"):
                close(*ids)
        whole = [after.id, top.id, *parts]
        short = [id.partition("-")[2] for id in whole]
        assert close(*short, top.id) == [*whole, top.id], "with what holds them, in any order"
        late = store.create("task", "late", parent=top.id)
        for id in (short[1], top.id):
            assert close(id) == [top.id], "what is closed stays so, whatever came under it"
        assert store.get(late.id).status == "open"
        tracker.delete([late.id])
        for ids in ([late.id], [late.id.partition("-")[2]], [top.id, late.id]):
            with pytest.raises(ClaimError, match=f"bead {late.id} is deleted; .* reopen {late.id}"):
                close(*ids)
        with pytest.raises(ClaimError, match="is deleted"):
            tracker.close([late.id], force=True)
        assert store.get(late.id).status == "tombstone"

    def test_many_at_once(self, store: BeadStore, tracker: Tracker) -> None:
        take(store, *({"id": f"bd-{n}", "issue_type": "epic"} for n in range(1200)))
        ids = [f"bd-{n}" for n in range(1200)]
        assert {bead.status for bead in tracker.close(ids)} == {"closed"}


class TestDeadlocks:
    @pytest.mark.parametrize("type", ["blocks", "conditional-blocks", "waits-for"])
    def test_a_part_cannot_wait_for_its_whole(self, store: BeadStore, type: str) -> None:
        top, middle = store.create("epic", "top"), store.create("task", "between")
        part = store.create("task", "part", parent=top.id)
        below = store.create("task", "below", parent=part.id)
        for id in (part.id, below.id):
            with pytest.raises(UsageError, match=f"{id} could never be ready"):
                store.add_dependency(id, top.id, type)  # type: ignore[arg-type]
        store.add_dependency(middle.id, top.id, type)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="could never be ready"):
            store.add_dependency(part.id, middle.id)
        with pytest.raises(UsageError, match="could never be ready"):
            store.update(middle.id, parent=top.id)
        store.add_dependency(part.id, top.id, "related")

    def test_nor_when_it_is_born(self, store: BeadStore, tracker: Tracker) -> None:
        top = store.create("epic", "top")
        with pytest.raises(UsageError, match="could never be ready"):
            tracker.create("task", "part", [(top.id, "blocks")], parent=top.id)
        draft = Bead(key="k", kind="step", title="part", parent=top.id)
        with pytest.raises(UsageError, match="could never be ready"):
            store.create_many([draft], [Dependency(from_id="k", to_id=top.id)])
        assert [bead.id for bead in store.query()] == [top.id]

    def test_an_imported_one_is_found(self, store: BeadStore) -> None:
        both = [on("bd-1", "parent-child"), on("bd-1", "blocks")]
        take(
            store,
            {"id": "bd-1", "issue_type": "epic"}, {"id": "bd-2", "dependencies": both},
            {"id": "bd-3", "dependencies": both, "status": "closed"},
        )  # fmt: skip
        (check,) = [check for check in health.examine(store) if check.name == "deadlocks"]
        assert (check.ok, check.ids) == (False, ("bd-1", "bd-2"))
        assert "bd-1 → bd-2 → bd-1" in check.detail
        Tracker(store).undepend("bd-2", "bd-1", "blocks")
        assert all(check.ok for check in health.examine(store))


class TestDeleting:
    def test_a_tombstone_says_what_the_format_says(
        self, store: BeadStore, tracker: Tracker, clock: Clock
    ) -> None:
        bead = store.create("bug", "twice", body="text")
        store.close(bead.id, "done")
        (gone,) = tracker.delete([bead.id], "duplicate", by="ann")
        assert (gone.status, gone.closed_at, gone.close_reason) == ("tombstone", None, None)
        (line,) = map(json.loads, export_lines(store))
        said = {n: line[n] for n in ("status", "deleted_by", "delete_reason", "original_type")}
        assert said == {
            "status": "tombstone", "deleted_by": "ann", "delete_reason": "duplicate",
            "original_type": "bug",
        }  # fmt: skip
        assert line["deleted_at"] == line["updated_at"]
        assert "closed_at" not in line
        assert tracker.delete([bead.id]) == [gone], "once more changes nothing"
        (back,) = tracker.reopen([bead.id])
        assert (back.status, back.extra, back.body) == ("open", {}, "text")

    def test_only_deleting_makes_a_tombstone(self, store: BeadStore, tracker: Tracker) -> None:
        top = store.create("epic", "top")
        part = store.create("task", "part", parent=top.id)
        for id in (top.id, part.id):
            with pytest.raises(UsageError, match="`harness bead delete` deletes one"):
                tracker.update([id], status="tombstone", priority=0)
            assert (store.get(id).status, store.get(id).priority) == ("open", 2)

    def test_not_what_others_need(self, store: BeadStore, tracker: Tracker) -> None:
        top, first = store.create("epic", "top"), store.create("task", "first", priority=0)
        part = store.create("task", "part", parent=top.id)
        store.add_dependency(part.id, first.id)
        for id in (top.id, first.id):
            with pytest.raises(ClaimError, match=f"{part.id} depend on bead {id}"):
                tracker.delete([id])
        tracker.delete([top.id, first.id], force=True)
        left = store.get(part.id)
        assert (left.parent, store.dependencies(part.id)) == (None, [])
        assert ready(store) == [part.id]


def test_history(store: BeadStore, tracker: Tracker, clock: Clock) -> None:
    top = store.create("task", "top")
    bead = tracker.create("task", "t", by="ann", labels=["x"])
    for change in (
        lambda: tracker.update([bead.id], ["y"], by="bob", title="T", due_at=86400.0),
        lambda: tracker.depend(bead.id, top.id, "related", "bob"),
        lambda: tracker.claim(bead.id, assignee="cy", lease_s=9),
        lambda: tracker.comment(bead.id, "half done", "cy"),
        lambda: tracker.close([bead.id], "done", by="cy"),
        lambda: tracker.reopen([bead.id], by="ann"),
    ):
        clock.advance(1)
        change()
    found = [(c.author, c.what, c.old, c.new, c.note) for c in tracker.history(bead.id)]
    assert found == [
        ("ann", "created", None, None, None),
        ("bob", "title", "t", "T", None),
        ("bob", "labels", "x", "x, y", None),
        ("bob", "due_at", None, "1970-01-02T00:00:00Z", None),
        ("bob", "dependency", None, f"related {top.id}", None),
        ("cy", "claimed", None, "cy", None),
        ("cy", "comment", None, "half done", None),
        ("cy", "status", "in_progress", "closed", "done"),
        ("ann", "status", "closed", "open", None),
        ("ann", "assignee", "cy", None, None),
    ]
    assert [c.at for c in tracker.history(bead.id)] == sorted(
        c.at for c in tracker.history(bead.id)
    )


def test_a_run_writes_no_history(store: BeadStore, tracker: Tracker) -> None:
    step = store.create("step", "s", run_id="run-1")
    store.claim(step.id, assignee="fleet", lease_s=9)
    store.close(step.id, "done")
    assert [change.what for change in tracker.history(step.id)] == ["created"]


def test_an_import_is_history(store: BeadStore, tracker: Tracker, clock: Clock) -> None:
    clock.now = 1735862400.0  # the third of January 2025
    take(store, {"id": "bd-1", "created_by": "ann"})
    take(store, {"id": "bd-1", "created_by": "ann", "title": "new", "updated_at": DAY.format(2)})
    found = [(c.author, c.what, c.new) for c in tracker.history("bd-1")]
    assert found[0] == ("ann", "created", None)
    assert ("imported", "title, updated_at") in [(what, new) for _, what, new in found]


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("bd-03", "bd-03"), ("03", "bd-03"), ("my-app-03r", "my-app-03r"), ("app-03r", "my-app-03r"),
        ("03r", "my-app-03r"), ("3f", "xy-3f.1"), ("xy", "xy-3f.1"),
    ],
)  # fmt: skip
def test_an_id_without_its_prefix(store: BeadStore, name: str, id: str) -> None:
    take(store, {"id": "bd-03"}, {"id": "my-app-03r"}, {"id": "xy-3f.1"})
    assert store.get(name).id == id


def test_an_ambiguous_id_names_those_it_may_mean(store: BeadStore) -> None:
    take(store, {"id": "bd-aa1"}, {"id": "xy-aa2"})
    with pytest.raises(UsageError, match="'aa' is ambiguous: bd-aa1, xy-aa2"):
        store.get("aa")
    with pytest.raises(UsageError, match="unknown bead id 'a1'"):
        store.get("a1")


def test_kinds_that_only_runs_make(store: BeadStore, tracker: Tracker) -> None:
    bead = store.create("task", "t")
    for kind in ("outcome", "insight", "routine", "step", "decision", "gate", "message"):
        with pytest.raises(UsageError, match=f"only runs and imports make beads of kind {kind}"):
            tracker.update([bead.id], kind=kind)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="only runs and imports make beads of kind outcome"):
        refuse_kind("outcome")
    refuse_kind("decision")
    outcome = store.create("outcome", "o", run_id="run-1")
    with pytest.raises(UsageError, match=f"bead {outcome.id} stays of kind outcome"):
        tracker.update([outcome.id], kind="task")
    assert tracker.update([bead.id], kind="bug")[0].kind == "bug"


def test_filters(store: BeadStore, tracker: Tracker, clock: Clock) -> None:
    a = store.create("task", "alpha", labels=["x", "y"], due_at=clock.now - 5)
    b = store.create("task", "alpha too", labels=["x"], due_at=clock.now + 5, parent=a.id)
    c = store.create("task", "alpha held", labels=["x", "y"])
    store.add_dependency(c.id, b.id)
    store.create("insight", "alpha remembered", tier="memory")
    for listed in (
        lambda **filters: store.query(**filters),
        lambda **filters: tracker.search("alpha", **filters),
        lambda **filters: [*store.ready(**filters), *store.blocked(**filters)],
    ):

        def ids(**filters: object) -> set[str]:
            return {bead.id for bead in listed(**filters)}  # noqa: B023

        assert ids(run_id="", kind="task") == ids(run_id="", status="open") == {a.id, b.id, c.id}
        assert ids(label=["x", "y"]) == {a.id, c.id}
        assert ids(parent=a.id[3:]) == {b.id}
        assert ids(due_before=clock.now) == {a.id}
        assert ids(text="TOO") == {b.id}
    assert [bead.kind for bead in store.query(run_id="", kind="insight")] == ["insight"]
    assert [bead.id for bead in store.query(order="due", kind="task")] == [a.id, b.id, c.id]
