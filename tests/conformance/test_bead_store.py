"""The contract of a bead store. Every database that can hold one joins ``PLACES``."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from state import Bead, BeadStore, Dependency, UsageError, keyed_id
from state.rows import BeadChanges
from tests.state.clock import Clock

Place = Callable[[pytest.FixtureRequest], str]

PLACES: dict[str, Place] = {
    "sqlite": lambda request: str(request.getfixturevalue("tmp_path") / "state.db"),
    "postgres": lambda request: str(request.getfixturevalue("postgres_url")),
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=PLACES)
def url(request: pytest.FixtureRequest) -> str:
    return PLACES[request.param](request)


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[BeadStore]:
    store = BeadStore.open(url, clock)
    yield store
    store.close_database()


def ids(beads: list[Bead]) -> list[str]:
    return [bead.id for bead in beads]


class TestCreate:
    def test_what_is_written_is_read(self, store: BeadStore, clock: Clock) -> None:
        root = store.create("epic", "root")
        bead = store.create(
            "outcome",
            "it works",
            body="naïve — ünïcode",
            priority=0,
            parent=root.id,
            run_id="run-1",
            tier="fleet",
            confidence=0.75,
            surprise=1.5,
            labels=["math", "x"],
            data={"checks": [{"passed": True}], "artifact": "42"},
        )
        assert store.get(bead.id) == bead
        assert bead.id.startswith("hm-")
        assert bead.data["checks"][0]["passed"] is True
        assert bead.created_at == bead.updated_at == clock.now
        assert (bead.status, bead.attempts, bead.closed_at) == ("open", 0, None)

    def test_same_key_is_the_same_bead_unchanged(self, store: BeadStore) -> None:
        first = store.create("step", "three", key="run|step|3", data={"a": 1})
        store.close(first.id, "done")
        again = store.create("step", "other title", key="run|step|3")
        assert again.id == first.id == keyed_id("run|step|3")
        assert (again.title, again.status, again.data) == ("three", "closed", {"a": 1})
        assert len(store.query()) == 1

    def test_same_id_is_the_same_bead_unchanged(self, store: BeadStore) -> None:
        store.create("bug", "first", id="hm-mine")
        assert store.create("bug", "second", id="hm-mine").title == "first"

    def test_born_closed(self, store: BeadStore, clock: Clock) -> None:
        bead = store.create("decision", "stop", status="closed", close_reason="budget")
        assert (bead.closed_at, bead.close_reason) == (clock.now, "budget")

    def test_changing_a_returned_bead_changes_nothing_stored(self, store: BeadStore) -> None:
        bead = store.create("task", "as stored", labels=["a"])
        bead.title = "changed"
        bead.labels.append("b")
        assert store.get(bead.id).title == "as stored"
        assert store.get(bead.id).labels == ["a"]

    def test_a_returned_bead_travels_between_processes(self, store: BeadStore) -> None:
        bead = store.create("task", "t", data={"n": 1})
        assert pickle.loads(pickle.dumps(bead)) == bead

    def test_bad_values_are_refused(self, store: BeadStore) -> None:
        with pytest.raises(UsageError, match="unknown bead kind 'idea'; choose one of epic"):
            store.create("idea", "x")  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="unknown bead status 'done'"):
            store.create("task", "x", status="done")  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="priority is 0"):
            store.create("task", "x", priority=5)
        with pytest.raises(UsageError, match="needs a title"):
            store.create("task", "  ")
        with pytest.raises(UsageError, match="unknown bead id 'hm-nope'"):
            store.create("task", "x", parent="hm-nope")
        with pytest.raises(UsageError, match="cannot set bead field 'attempts'"):
            store.create("task", "x", attempts=3)  # type: ignore[call-arg]
        assert store.query() == []


class TestGet:
    def test_a_unique_prefix_will_do(self, store: BeadStore) -> None:
        bead = store.create("task", "t", id="hm-abcdef")
        for name in ("hm-abcdef", "hm-abc", "abcdef", "a"):
            assert store.get(name).id == bead.id

    def test_a_whole_id_wins_over_longer_ones(self, store: BeadStore) -> None:
        store.create("task", "longer", id="hm-abcd")
        store.create("task", "whole", id="hm-abc")
        assert store.get("hm-abc").title == "whole"

    def test_ambiguous_and_unknown_ids_are_refused(self, store: BeadStore) -> None:
        store.create("task", "one", id="hm-aa1")
        store.create("task", "two", id="hm-aa2")
        with pytest.raises(UsageError, match="bead id 'aa' is ambiguous: hm-aa1, hm-aa2"):
            store.get("aa")
        for unknown in ("hm-zz", "", "%", "hm-a_1"):
            with pytest.raises(UsageError, match="unknown bead id"):
                store.get(unknown)


class TestChange:
    def test_update(self, store: BeadStore, clock: Clock) -> None:
        bead = store.create("task", "t")
        clock.advance(5)
        changed = store.update(bead.id, title="better", priority=1, data={"k": [1]})
        assert store.get(bead.id) == changed
        assert (changed.title, changed.priority, changed.data) == ("better", 1, {"k": [1]})
        assert changed.updated_at == clock.now == changed.created_at + 5

    def test_update_refuses_what_the_store_keeps_itself(self, store: BeadStore) -> None:
        bead = store.create("task", "t")
        for fields in ({"attempts": 7}, {"created_at": 0.0}, {"colour": "red"}):
            with pytest.raises(UsageError, match="cannot set bead field"):
                store.update(bead.id, **fields)

    def test_close_once(self, store: BeadStore, clock: Clock) -> None:
        bead = store.create("task", "t")
        closed = store.close(bead.id, "verified", data={"artifact": "42"}, confidence=0.9)
        assert (closed.status, closed.close_reason) == ("closed", "verified")
        assert (closed.closed_at, closed.data) == (clock.now, {"artifact": "42"})
        clock.advance(9)
        assert store.close(bead.id, "again", data={}) == closed

    def test_reopen(self, store: BeadStore) -> None:
        bead = store.create("task", "t")
        store.claim(bead.id, assignee="me", lease_s=60)
        store.close(bead.id, "wrong")
        opened = store.reopen(bead.id)
        assert (opened.status, opened.closed_at, opened.close_reason) == ("open", None, None)
        assert (opened.assignee, opened.lease_until) == (None, None)
        assert ids(store.ready()) == [bead.id]


class TestDependencies:
    def test_both_directions(self, store: BeadStore) -> None:
        root, first, second = (store.create("step", t) for t in ("root", "first", "second"))
        store.update(second.id, parent=root.id)
        store.add_dependency(second.id, first.id)
        store.add_dependency(second.id, first.id)
        store.add_dependency(second.id, first.id, "related")
        found = [(e.from_id, e.to_id, e.type) for e in store.dependencies(second.id)]
        assert found == [
            (second.id, root.id, "parent-child"),
            (second.id, first.id, "blocks"),
            (second.id, first.id, "related"),
        ]
        assert [(e.from_id, e.type) for e in store.dependents(first.id)] == [
            (second.id, "blocks"),
            (second.id, "related"),
        ]
        assert [(e.from_id, e.type) for e in store.dependents(root.id)] == [
            (second.id, "parent-child")
        ]

    def test_parent_child_sets_the_parent(self, store: BeadStore) -> None:
        parent, child = store.create("epic", "parent"), store.create("task", "child")
        store.add_dependency(child.id, parent.id, "parent-child")
        assert store.get(child.id).parent == parent.id

    def test_self_and_unknown_are_refused(self, store: BeadStore) -> None:
        bead = store.create("task", "t")
        for type in ("blocks", "parent-child", "related", "discovered-from"):
            with pytest.raises(UsageError, match="cannot depend on itself"):
                store.add_dependency(bead.id, bead.id, type)
        with pytest.raises(UsageError, match="unknown bead id"):
            store.add_dependency(bead.id, "hm-nope")
        with pytest.raises(UsageError, match="unknown dependency type 'needs'"):
            store.add_dependency(bead.id, bead.id, "needs")  # type: ignore[arg-type]

    def test_cycles_of_blockers_are_refused(self, store: BeadStore) -> None:
        a, b, c = (store.create("task", t).id for t in "abc")
        store.add_dependency(a, b)
        store.add_dependency(b, c)
        with pytest.raises(UsageError, match="cycle"):
            store.add_dependency(c, a)
        assert store.dependencies(c) == []
        store.add_dependency(c, a, "related")

    def test_cycles_of_parents_are_refused(self, store: BeadStore) -> None:
        top = store.create("epic", "top")
        below = store.create("task", "below", parent=top.id)
        with pytest.raises(UsageError, match="cycle"):
            store.update(top.id, parent=below.id)
        with pytest.raises(UsageError, match="itself"):
            store.update(top.id, parent=top.id)

    def test_a_parent_cannot_wait_for_its_child(self, store: BeadStore) -> None:
        top = store.create("epic", "top")
        below = store.create("task", "below", parent=top.id)
        with pytest.raises(UsageError, match="cycle"):
            store.add_dependency(top.id, below.id)


class TestFrontier:
    def test_a_blocker_holds_back_until_closed(self, store: BeadStore) -> None:
        first, second = store.create("step", "first"), store.create("step", "second")
        store.add_dependency(second.id, first.id)
        assert ids(store.ready()) == [first.id]
        assert ids(store.blocked()) == [second.id]
        store.claim(first.id, assignee="me", lease_s=60)
        assert store.ready() == []
        store.close(first.id)
        assert ids(store.ready()) == [second.id]
        assert store.blocked() == []

    def test_a_blocked_ancestor_holds_back(self, store: BeadStore) -> None:
        blocker = store.create("task", "blocker")
        top = store.create("epic", "top")
        middle = store.create("task", "middle", parent=top.id)
        leaf = store.create("step", "leaf", parent=middle.id)
        assert leaf.id in ids(store.ready())
        store.add_dependency(top.id, blocker.id)
        assert ids(store.ready()) == [blocker.id]
        assert {top.id, middle.id, leaf.id} == set(ids(store.blocked()))
        assert store.claim(leaf.id, assignee="me", lease_s=60) is None

    def test_other_dependencies_do_not_hold_back(self, store: BeadStore) -> None:
        a, b = store.create("task", "a"), store.create("task", "b")
        store.add_dependency(a.id, b.id, "related")
        store.add_dependency(a.id, b.id, "discovered-from")
        assert len(store.ready()) == 2

    def test_most_urgent_then_oldest_first(self, store: BeadStore, clock: Clock) -> None:
        late = store.create("task", "usual")
        clock.advance(1)
        later = store.create("task", "usual, later")
        clock.advance(1)
        urgent = store.create("task", "urgent", priority=0)
        assert ids(store.ready()) == [urgent.id, late.id, later.id]
        assert ids(store.ready(limit=1)) == [urgent.id]

    def test_records_are_no_work(self, store: BeadStore) -> None:
        for kind in ("decision", "outcome", "insight", "routine"):
            store.create(kind, "for the record")
        assert store.ready() == []
        assert store.claim(assignee="me", lease_s=60) is None

    def test_by_run_and_kind(self, store: BeadStore) -> None:
        store.create("epic", "root", run_id="r1")
        step = store.create("step", "step", run_id="r1")
        store.create("step", "elsewhere", run_id="r2")
        assert ids(store.ready(run_id="r1", kind="step")) == [step.id]
        claimed = store.claim(assignee="me", lease_s=60, run_id="r1", kind="step")
        assert claimed is not None
        assert claimed.id == step.id
        assert store.claim(assignee="me", lease_s=60, run_id="r1", kind="step") is None


class TestLeases:
    def test_claim(self, store: BeadStore, clock: Clock) -> None:
        bead = store.create("step", "s")
        claimed = store.claim(bead.id, assignee="me", lease_s=60)
        assert claimed is not None
        assert (claimed.status, claimed.assignee, claimed.attempts) == ("in_progress", "me", 1)
        assert claimed.lease_until == clock.now + 60
        assert store.get(bead.id) == claimed
        assert store.claim(bead.id, assignee="you", lease_s=60) is None
        assert store.claim(assignee="you", lease_s=60) is None

    def test_an_expired_lease_can_be_taken_over(self, store: BeadStore, clock: Clock) -> None:
        bead = store.create("step", "s")
        store.claim(assignee="me", lease_s=60)
        clock.advance(59.9)
        assert store.ready() == []
        clock.advance(0.1)
        assert ids(store.ready()) == [bead.id]
        taken = store.claim(assignee="you", lease_s=60)
        assert taken is not None
        assert (taken.assignee, taken.attempts) == ("you", 2)
        assert not store.renew(bead.id, "me", 60)
        assert not store.release(bead.id, "me")

    def test_a_renewed_lease_holds(self, store: BeadStore, clock: Clock) -> None:
        bead = store.create("step", "s")
        store.claim(assignee="me", lease_s=60)
        clock.advance(50)
        assert store.renew(bead.id, "me", 60)
        clock.advance(50)
        assert store.claim(assignee="you", lease_s=60) is None
        clock.advance(20)
        assert store.renew(bead.id, "me", 60), "expired, but nobody took it"

    def test_release(self, store: BeadStore) -> None:
        bead = store.create("step", "s")
        assert not store.release(bead.id)
        store.claim(assignee="me", lease_s=60)
        assert store.release(bead.id, "me")
        freed = store.get(bead.id)
        assert (freed.status, freed.assignee, freed.lease_until) == ("open", None, None)

    def test_release_run(self, store: BeadStore) -> None:
        for run_id in ("r1", "r1", "r2"):
            store.create("step", "s", run_id=run_id)
            store.claim(assignee="dead", lease_s=600, run_id=run_id)
        assert store.release_run("r1") == 2
        assert [b.run_id for b in store.ready()] == ["r1", "r1"]

    def test_orders_are_written_for_those_that_were_ready(self, store: BeadStore) -> None:
        first, done, taken, last = (store.create("step", title) for title in "abcd")
        store.close(done.id)
        store.claim(taken.id, assignee="other", lease_s=60)
        wanted = {last.id: "me", done.id: "me", taken.id: "me", first.id: "you"}
        orders = [
            Bead(key=f"order of {id}", kind="decision", title="o", parent=id, assignee=who)
            for id, who in wanted.items()
        ]
        given = store.claim_with(orders, lease_s=60)
        assert [order.parent for order in given] == [last.id, first.id]
        claimed = [store.get(id) for id in wanted]
        assert [(b.status, b.assignee, b.attempts) for b in claimed] == [
            ("in_progress", "me", 1), ("closed", None, 0),
            ("in_progress", "other", 1), ("in_progress", "you", 1),
        ]  # fmt: skip
        assert [store.find(keyed_id(order.key or "")) is not None for order in orders] == [
            True, False, False, True
        ]  # fmt: skip
        assert store.claim_with(orders, lease_s=60) == []  # Nothing is ready any more.
        assert store.claim_with([], lease_s=60) == []

    def test_a_reason_closes_nothing_and_no_parent_is_an_unknown_one(
        self, store: BeadStore
    ) -> None:
        bead = store.create("step", "s")
        store.apply([], {bead.id: {"close_reason": "why", "title": "t"}})
        assert (store.get(bead.id).title, store.get(bead.id).close_reason) == ("t", None)
        with pytest.raises(UsageError, match="unknown bead id ''"):
            store.create("step", "s", key="k", parent="")

    def test_a_closed_bead_cannot_be_claimed_or_renewed(self, store: BeadStore) -> None:
        bead = store.create("step", "s")
        store.claim(assignee="me", lease_s=60)
        store.close(bead.id)
        assert not store.renew(bead.id, "me", 60)
        assert store.claim(bead.id, assignee="me", lease_s=60) is None


class TestPlans:
    BEADS: ClassVar = [
        Bead(key=f"r|{n}", kind="step", title=f"step {n}", run_id="r") for n in range(4)
    ]
    EDGES: ClassVar = [Dependency(from_id=f"r|{n + 1}", to_id=f"r|{n}") for n in range(3)]

    def test_a_plan_is_written_whole(self, store: BeadStore) -> None:
        root = store.create("epic", "root")
        beads = [Bead(key="r|top", kind="task", title="top", parent=root.id), *self.BEADS]
        beads.append(Bead(key="r|leaf", kind="step", title="leaf", parent="r|top"))
        stored = store.create_many(beads, self.EDGES)
        assert [b.title for b in stored] == [b.title for b in beads]
        assert stored[0].parent == root.id
        assert store.get(stored[-1].id).parent == stored[0].id
        assert [b.title for b in store.ready(run_id="r")] == ["step 0"]
        assert [b.title for b in store.query(run_id="r")] == [f"step {n}" for n in range(4)]

    def test_writing_it_again_is_no_change(self, store: BeadStore) -> None:
        first = store.create_many(self.BEADS, self.EDGES)
        store.close(first[0].id, "done")
        before = store.query()
        again = store.create_many(self.BEADS, self.EDGES)
        assert ids(again) == ids(first)
        assert store.query() == before

    def test_a_bad_plan_leaves_nothing(self, store: BeadStore) -> None:
        back = Dependency(from_id="r|0", to_id="r|3")
        with pytest.raises(UsageError, match="cycle"):
            store.create_many(self.BEADS, [*self.EDGES, back])
        with pytest.raises(UsageError, match=r"unknown bead id 'r\|9'"):
            store.create_many(self.BEADS, [Dependency(from_id="r|0", to_id="r|9")])
        loop = [Bead(key=k, kind="task", title=k, parent=p) for k, p in ("ab", "ba")]
        with pytest.raises(UsageError, match="cycle"):
            store.create_many(loop)
        assert store.query() == []

    def test_a_plan_changes_open_beads_with_it_or_not_at_all(self, store: BeadStore) -> None:
        root, done = store.create("epic", "root"), store.create("epic", "done")
        store.close(done.id)
        changes: dict[str, BeadChanges] = {
            root.id: {"notes": "planned"},
            done.id: {"notes": "late"},
        }
        store.create_many(self.BEADS, self.EDGES, changes)
        assert (store.get(root.id).notes, store.get(done.id).notes) == ("planned", "")
        back = Dependency(from_id="r|0", to_id="r|3")
        with pytest.raises(UsageError, match="cycle"):
            store.create_many(self.BEADS, [back], {root.id: {"notes": "again"}})
        assert store.get(root.id).notes == "planned"

    def test_a_bead_born_under_one_that_waits_waits_too(self, store: BeadStore) -> None:
        first, second = store.create("task", "first"), store.create("task", "second")
        store.add_dependency(second.id, first.id)
        under = Bead(key="u", kind="task", title="under", parent=second.id)
        below = Bead(key="b", kind="task", title="below", parent="u")
        store.create_many([below, under])
        assert [b.title for b in store.ready()] == ["first"]
        store.close(first.id)
        assert {b.title for b in store.ready()} == {"second", "below", "under"}

    def test_a_parent_is_no_dependency_of_a_plan(self, store: BeadStore) -> None:
        edge = Dependency(from_id="r|1", to_id="r|0", type="parent-child")
        with pytest.raises(UsageError, match="a parent is a field of its child"):
            store.create_many(self.BEADS, [edge])
        assert store.query() == []

    def test_beads_without_keys(self, store: BeadStore) -> None:
        drafts = [Bead(kind="insight", title=f"i{n}") for n in range(3)]
        assert len(set(ids(store.create_many(drafts)))) == 3
        assert all(draft.id == "" for draft in drafts)


class TestOfRun:
    def test_the_beads_of_a_run(self, store: BeadStore, clock: Clock) -> None:
        for n in range(4):
            clock.advance(1)
            store.create("step", f"s{n}", run_id="r", tier="fleet" if n % 2 else "architect")
            store.create("step", "other", run_id="q")
        store.close(store.of_run("r", "step")[1].id)

        def titles(**how: Any) -> list[str]:
            return [bead.title for bead in store.of_run("r", "step", **how)]

        assert titles() == ["s0", "s1", "s2", "s3"]
        assert titles(tier="fleet") == ["s1", "s3"]
        unfinished = [store.get(id) for id in store.stamps("r", "step")]
        assert sorted(bead.title for bead in unfinished) == ["s0", "s2", "s3"]
        before = store.stamps("r", "step")
        clock.advance(1)
        changed = store.update(unfinished[0].id, body="x")
        after = store.stamps("r", "step")
        assert {id for id in after if after[id] != before[id]} == {changed.id}
        assert titles(newest=2) == ["s2", "s3"]
        assert store.of_run("r", "outcome") == []

    def test_find_wants_whole_ids(self, store: BeadStore) -> None:
        bead = store.create("step", "s")
        assert store.find(bead.id) == bead
        assert store.find(bead.id[:-1]) is None
        assert store.find_all([bead.id, "hm-none"]) == {bead.id: bead}


class TestQuery:
    @pytest.fixture(autouse=True)
    def beads(self, store: BeadStore, clock: Clock) -> None:
        def create(kind: str, title: str, **fields: object) -> Bead:
            clock.advance(1)
            return store.create(kind, title, **fields)  # type: ignore[arg-type]

        top = create("epic", "Top", run_id="r1", tier="monitor", priority=3)
        create("step", "Add 10% tax", run_id="r1", parent=top.id, labels=["math", "a,b"])
        create("insight", "other", body="the TAX was wrong", labels=["Math", 'say "x"'])
        create("step", "last", run_id="r2", tier="fleet", assignee="me", priority=1)

    @pytest.mark.parametrize(
        ("filters", "titles"),
        [
            ({}, ["Top", "Add 10% tax", "other", "last"]),
            ({"run_id": "r1"}, ["Top", "Add 10% tax"]),
            ({"kind": "step"}, ["Add 10% tax", "last"]),
            ({"kind": ("epic", "insight")}, ["Top", "other"]),
            ({"status": "closed"}, []),
            ({"status": ("open", "closed"), "tier": "fleet"}, ["last"]),
            ({"assignee": "me"}, ["last"]),
            ({"label": "math"}, ["Add 10% tax"]),
            ({"label": "Math"}, ["other"]),
            ({"label": "a"}, []),
            ({"label": 'say "x"'}, ["other"]),
            ({"label": "x"}, []),
            ({"text": "tax"}, ["Add 10% tax", "other"]),
            ({"text": "10%"}, ["Add 10% tax"]),
            ({"text": "%"}, ["Add 10% tax"]),
            ({"limit": 2}, ["Top", "Add 10% tax"]),
            ({"order": "priority"}, ["last", "Add 10% tax", "other", "Top"]),
            ({"order": "updated", "limit": 1}, ["last"]),
        ],
    )
    def test_filters(self, store: BeadStore, filters: dict[str, str], titles: list[str]) -> None:
        assert [b.title for b in store.query(**filters)] == titles  # type: ignore[arg-type]

    def test_by_parent(self, store: BeadStore) -> None:
        (top,) = store.query(kind="epic")
        assert [b.title for b in store.query(parent=top.id)] == ["Add 10% tax"]

    def test_unknown_values_are_refused(self, store: BeadStore) -> None:
        with pytest.raises(UsageError, match="unknown bead kind"):
            store.query(kind="idea")
        with pytest.raises(UsageError, match="unknown bead status"):
            store.query(status="done")


# --- writing and changing in one transaction ------------------------------------------------------


def test_apply_writes_and_changes_together_and_only_once(store: BeadStore) -> None:
    step = store.create("step", "work")
    waits = store.create("step", "later")
    store.add_dependency(waits.id, step.id)
    said = Bead(key="said", kind="outcome", title="done", parent=step.id, data={"n": 1})
    change: BeadChanges = {"status": "closed", "close_reason": "verified", "data": {"n": 2}}
    store.apply([said], {step.id: change})
    store.apply([said], {step.id: {"status": "closed", "close_reason": "again"}})
    (outcome,) = store.query(kind="outcome")
    assert (outcome.id, outcome.parent, outcome.data) == (keyed_id("said"), step.id, {"n": 1})
    assert [d.type for d in store.dependencies(outcome.id)] == ["parent-child"]
    closed = store.get(step.id)
    assert (closed.status, closed.close_reason, closed.data) == ("closed", "verified", {"n": 2})
    assert closed.closed_at is not None
    assert [b.id for b in store.ready()] == [waits.id]


def test_apply_leaves_other_fields_of_a_claimed_bead_alone(store: BeadStore) -> None:
    step = store.create("step", "work", labels=["x"])
    claimed = store.claim(step.id, assignee="me", lease_s=60)
    assert claimed is not None
    store.apply([], {step.id: {"data": {"n": 1}}})
    held = store.get(step.id)
    assert (held.data, held.labels, held.assignee) == ({"n": 1}, ["x"], "me")
    assert (held.status, held.lease_until) == ("in_progress", claimed.lease_until)


@pytest.mark.parametrize(
    ("bead", "changes", "says"),
    [
        (Bead(kind="step", title="no key"), {}, "key"),
        (Bead(key="k", kind="step", title=" "), {}, "title"),
        (Bead(key="k", kind="step", title="t"), {"hm-none": {"notes": "n"}}, "unknown bead id"),
        (Bead(key="k", kind="step", title="t", id="hm-taken"), {}, "taken"),
    ],
)
def test_apply_writes_all_or_nothing(
    store: BeadStore, bead: Bead, changes: dict[str, BeadChanges], says: str
) -> None:
    store.create("step", "there", id="hm-taken")
    with pytest.raises(UsageError, match=says):
        store.apply([Bead(key="first", kind="step", title="first"), bead], changes)
    assert [b.title for b in store.query()] == ["there"]
