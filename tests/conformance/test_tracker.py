"""The issue tracker's verbs on every database that can hold a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from state import BeadStore, ClaimError, UsageError, graph, health
from state.tracker import Tracker
from tests.state.clock import Clock


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


def execute(store: BeadStore, sql: str) -> None:
    """Change rows behind the store's back."""
    with store.database.writing() as tx:
        tx.run(sql)


class TestChanging:
    def test_create_with_dependencies_is_all_or_nothing(
        self, store: BeadStore, tracker: Tracker
    ) -> None:
        top, first = store.create("epic", "top"), store.create("task", "first")
        needs = [(first.id, "blocks"), (top.id, "related")]
        bead = tracker.create("bug", "second", needs, by="ann", parent=top.id, notes="n")  # type: ignore[arg-type]
        found = [(e.to_id, e.type, e.created_by) for e in store.dependencies(bead.id)]
        assert found == [
            (top.id, "parent-child", None), (first.id, "blocks", "ann"),
            (top.id, "related", "ann"),
        ]  # fmt: skip
        assert store.get(bead.id) == bead
        with pytest.raises(UsageError, match="unknown bead id 'hm-nope'"):
            tracker.create("bug", "third", [("hm-nope", "blocks")])
        assert len(store.query()) == 3

    def test_update_several_or_none(self, store: BeadStore, tracker: Tracker) -> None:
        a, b = store.create("task", "a", labels=["x", "y"]), store.create("task", "b")
        tracker.update([a.id, b.id], ["z"], ["x"], priority=0)
        found = [store.get(x.id) for x in (a, b)]
        assert [(x.labels, x.priority) for x in found] == [(["y", "z"], 0), (["z"], 0)]
        with pytest.raises(UsageError):
            tracker.update([a.id, "hm-nope"], priority=4)
        assert store.get(a.id).priority == 0

    def test_close_several_or_none(self, store: BeadStore, tracker: Tracker, clock: Clock) -> None:
        beads = [store.create("task", f"t{n}") for n in range(4)]
        store.add_dependency(beads[3].id, beads[0].id)
        store.add_dependency(beads[3].id, beads[1].id)
        with pytest.raises(UsageError, match="unknown bead id 'nope'"):
            tracker.close([beads[0].id, "nope"])
        assert store.get(beads[0].id).status == "open"
        store.close(beads[2].id, "before")
        clock.advance(5)
        closed = tracker.close([beads[1].id, beads[0].id[3:], beads[2].id], "done")
        assert [b.id for b in closed] == [beads[1].id, beads[0].id, beads[2].id]
        assert [(b.close_reason, b.closed_at) for b in closed] == [
            ("done", clock.now), ("done", clock.now), ("before", clock.now - 5),
        ]  # fmt: skip
        assert [b.id for b in store.ready()] == [beads[3].id]
        tracker.reopen([beads[0].id])
        assert [b.id for b in store.blocked()] == [beads[3].id]

    def test_moving_a_bead_moves_what_it_waits_for(
        self, store: BeadStore, tracker: Tracker
    ) -> None:
        blocker = store.create("task", "blocker")
        held, free = store.create("epic", "held"), store.create("epic", "free")
        store.add_dependency(held.id, blocker.id)
        part = store.create("task", "part", parent=held.id)
        below = store.create("task", "below", parent=part.id)
        assert {b.id for b in store.blocked()} == {held.id, part.id, below.id}
        store.update(part.id, parent=free.id)
        assert {b.id for b in store.blocked()} == {held.id}
        store.update(part.id, parent=held.id)
        assert below.id in {b.id for b in store.blocked()}
        tracker.undepend(part.id, held.id)
        assert store.get(part.id).parent is None
        assert {b.id for b in store.blocked()} == {held.id}
        tracker.undepend(held.id, blocker.id)
        assert store.blocked() == []

    def test_a_parent_by_dependency_is_a_parent(self, store: BeadStore, tracker: Tracker) -> None:
        a, b = store.create("epic", "a"), store.create("task", "b")
        tracker.depend(b.id, a.id, "parent-child", "ann")
        assert store.get(b.id).parent == a.id
        with pytest.raises(UsageError, match="cycle"):
            tracker.depend(a.id, b.id, "parent-child")

    def test_removing_a_dependency_that_is_not_there(
        self, store: BeadStore, tracker: Tracker
    ) -> None:
        a, b = store.create("task", "a"), store.create("task", "b")
        tracker.depend(a.id, b.id, "related")
        with pytest.raises(UsageError, match=f"bead {a.id} has no blocks dependency on {b.id}"):
            tracker.undepend(a.id, b.id, "blocks")
        assert [e.type for e in tracker.undepend(a.id, b.id)] == ["related"]
        assert store.dependencies(a.id) == []

    def test_comments(self, store: BeadStore, tracker: Tracker, clock: Clock) -> None:
        bead = store.create("task", "t")
        clock.advance(1)
        tracker.comment(bead.id, "first", "ann")
        tracker.comment(bead.id, "second", "bob")
        detail = tracker.detail(bead.id)
        assert [(c.author, c.text) for c in detail.comments] == [
            ("ann", "first"), ("bob", "second"),
        ]  # fmt: skip
        assert detail.bead.updated_at == clock.now
        with pytest.raises(UsageError, match="needs a text"):
            tracker.comment(bead.id, " \n", "ann")


class TestClaiming:
    def test_why_not(self, store: BeadStore, tracker: Tracker) -> None:
        a, b = store.create("task", "a"), store.create("task", "b")
        insight = store.create("insight", "i")
        store.add_dependency(b.id, a.id)

        def why(id: str) -> str:
            with pytest.raises(ClaimError) as caught:
                tracker.claim(id, assignee="me", lease_s=60)
            return str(caught.value)

        assert why(b.id) == f"bead {b.id} waits for {a.id}; close what blocks it first"
        assert (
            why(insight.id) == f"bead {insight.id} is no work to claim: kind insight, status open"
        )
        tracker.claim(a.id, assignee="ann", lease_s=60)
        assert why(a.id) == f"bead {a.id} is in the hands of ann; take another"
        tracker.update([a.id], assignee=None)
        assert why(a.id) == (
            f"bead {a.id} is in progress, though nobody's; "
            f"`harness bead update {a.id} --status open` makes it free to claim"
        )
        gone = store.create("task", "gone")
        tracker.delete([gone.id])
        assert f"bead {gone.id} is deleted; " in why(gone.id)
        store.close(a.id)
        assert why(a.id) == f"bead {a.id} is closed; `harness bead reopen {a.id}` opens it"


class TestLooking:
    def test_ready_with_filters(self, store: BeadStore) -> None:
        store.create("task", "a", labels=["x"], priority=1)
        store.create("bug", "b", labels=["x"], assignee="ann", priority=0)
        store.create("bug", "c")

        def titles(**filters: object) -> list[str]:
            return [bead.title for bead in store.ready(**filters)]  # type: ignore[arg-type]

        assert titles() == ["b", "a", "c"]
        assert titles(label="x") == ["b", "a"]
        assert titles(label="x", limit=1) == ["b"]
        assert titles(kind="bug", assignee="ann") == ["b"]
        assert titles(priority=2) == ["c"]

    def test_ready_mixes_lapsed_leases_in(
        self, store: BeadStore, tracker: Tracker, clock: Clock
    ) -> None:
        beads = [store.create("task", t, priority=p) for t, p in (("a", 1), ("b", 0), ("c", 2))]
        store.claim(beads[0].id, assignee="gone", lease_s=10)
        clock.advance(11)
        assert [b.title for b in store.ready()] == ["b", "a", "c"]
        assert [b.title for b in store.ready(limit=2)] == ["b", "a"]
        taken = [store.claim(assignee="me", lease_s=60) for _ in range(3)]
        assert [(b.title, b.attempts) for b in taken if b] == [("b", 1), ("a", 2), ("c", 1)]

    def test_what_blocks(self, store: BeadStore) -> None:
        a, b = store.create("task", "a"), store.create("task", "b")
        top = store.create("epic", "top")
        part = store.create("task", "part", parent=top.id)
        store.add_dependency(top.id, a.id)
        store.add_dependency(part.id, b.id)
        held = graph.blockers(store, [part.id, top.id, a.id])
        assert held[part.id] == sorted([(a.id, top.id), (b.id, part.id)])
        assert (held[top.id], held[a.id]) == ([(a.id, top.id)], [])
        store.close(a.id)
        assert graph.blockers(store, [part.id])[part.id] == [(b.id, part.id)]

    def test_tree(self, store: BeadStore, clock: Clock) -> None:
        def create(title: str, **fields: str) -> str:
            clock.advance(1)
            return store.create("task", title, **fields).id  # type: ignore[arg-type]

        top = create("top")
        one, two = create("one", parent=top), create("two", parent=top)
        store.add_dependency(two, one)
        store.add_dependency(one, create("zero"))

        def flat(node: graph.Node, depth: int = 0) -> list[str]:
            title = node.bead.title if node.bead else node.id
            mark = "*" if node.repeated else ""
            lines = [f"{'.' * depth}{node.relation}:{title}{mark}"]
            return lines + [line for c in node.children for line in flat(c, depth + 1)]

        assert flat(graph.tree(store, top)) == [
            ":top", ".part:one", "..needs:zero", ".part:two", "..needs:one*",
        ]  # fmt: skip
        assert flat(graph.tree(store, one, up=True)) == [
            ":one", ".part of:top", ".needed by:two", "..part of:top*",
        ]  # fmt: skip
        assert flat(graph.tree(store, top, depth=1)) == [":top", ".part:one", ".part:two"]

    def test_search(self, store: BeadStore, tracker: Tracker) -> None:
        a = store.create("task", "Parsing of claims", body="in `state/file.py`, naïve-ly")
        b = store.create("task", "other", notes="they parsed it", labels=["q"])
        c = store.create("bug", "third", status="closed")
        tracker.comment(c.id, "the parser is to be or not to be", "ann")

        def ids(words: str) -> set[str]:
            return {bead.id for bead in tracker.search(words)}

        assert ids("parse") == {a.id, b.id, c.id} - {c.id}, "stems: parsing, parsed; not parser"
        assert ids("pars*") == {a.id, b.id, c.id}
        assert ids("PARSING claim") == {a.id}
        assert ids("file.py") == ids("naïve") == {a.id}
        assert ids('"to be or not"') == {c.id}
        assert ids('"not or be"') == set()
        assert ids("'; DROP TABLE bead; --") == set()
        store.update(a.id, title="Renamed", body="")
        assert ids("parsing claims") == set()
        assert ids("renamed") == {a.id}
        assert len(tracker.search("pars*", limit=1)) == 1
        for nothing in ("", "  ", "*", '""', "-"):
            with pytest.raises(UsageError, match="nothing to search for"):
                tracker.search(nothing)

    def test_stats(self, store: BeadStore, tracker: Tracker, clock: Clock) -> None:
        assert tracker.stats().total == 0
        a = store.create("task", "a", priority=0)
        b = store.create("bug", "b")
        store.create("insight", "c", priority=4)
        store.add_dependency(b.id, a.id)
        done = store.create("task", "d")
        clock.advance(100)
        store.close(done.id)
        numbers = tracker.stats()
        assert (numbers.total, numbers.ready, numbers.blocked) == (4, 1, 1)
        assert numbers.by_status == {"closed": 1, "open": 3}
        assert numbers.by_kind == {"bug": 1, "insight": 1, "task": 2}
        assert numbers.by_priority == {0: 1, 2: 1, 4: 1}
        assert numbers.lead_time_s == 100


class TestHealth:
    def test_a_sound_store(self, store: BeadStore) -> None:
        top = store.create("epic", "top")
        store.create("task", "part", parent=top.id)
        assert [(check.name, check.ok) for check in health.examine(store)] == [
            (name, True)
            for name in (
                "integrity", "search", "parents", "orphans", "waiting", "leases", "deadlocks",
                "cycles",
            )
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("damage", "name"),
        [
            ("UPDATE bead SET waiting = 1 WHERE id = 'hm-a'", "waiting"),
            ("INSERT INTO dependency (from_id, to_id, type) VALUES ('hm-a', 'x', 'blocks')", "orphans"),
            ("UPDATE bead SET parent = 'hm-b' WHERE id = 'hm-a'", "parents"),
            (
                "UPDATE bead SET status = 'in_progress', lease_until = 1, assignee = 'x' "
                "WHERE id = 'hm-a'",
                "leases",
            ),
        ],
    )  # fmt: skip
    def test_damage_is_found_and_fixed(self, store: BeadStore, damage: str, name: str) -> None:
        store.create("task", "a", id="hm-a")
        store.create("task", "b", id="hm-b")
        execute(store, damage)
        (wrong,) = [check for check in health.examine(store) if not check.ok]
        assert (wrong.name, wrong.ids) == (name, ("hm-a",))
        (fixed,) = [check for check in health.examine(store, fix=True) if check.fixed]
        assert (fixed.name, fixed.ok) == (name, True)
        assert all(check.ok for check in health.examine(store))
        assert "hm-a" in {bead.id for bead in store.ready()}

    def test_cycles_are_found_but_left_to_you(self, store: BeadStore) -> None:
        for name in ("hm-a", "hm-b", "hm-c", "hm-d"):
            store.create("task", name, id=name)
        for pair in ("'hm-a', 'hm-b'", "'hm-b', 'hm-c'", "'hm-c', 'hm-a'", "'hm-d', 'hm-a'"):
            execute(
                store,
                f"INSERT INTO dependency (from_id, to_id, type) VALUES ({pair}, 'blocks')",
            )
        *_, check = health.examine(store, fix=True)
        assert (check.name, check.ok, check.ids) == ("cycles", False, ("hm-a", "hm-b", "hm-c"))
        assert "hm-a → hm-b → hm-c → hm-a" in check.detail


def test_what_is_written_changed_and_deleted_between_searches_is_found(tmp_path: Path) -> None:
    store = BeadStore.open(tmp_path / "state.db")
    tracker = Tracker(store)

    def found(word: str) -> list[str]:
        return [bead.id for bead in tracker.search(word)]

    apple, pear = store.create("task", "apple"), store.create("task", "pear")
    store.update(pear.id, title="plum")  # Before it was ever indexed.
    assert (found("apple"), found("pear"), found("plum")) == ([apple.id], [], [pear.id])
    fig = store.create("task", "fig")
    execute(store, f"DELETE FROM bead WHERE id = '{pear.id}'")  # The last that is indexed.
    execute(store, f"DELETE FROM bead WHERE id = '{fig.id}'")  # One that is not yet.
    lime = store.create("task", "lime")
    tracker.comment(apple.id, "like a quince", author="")
    assert (found("plum"), found("fig")) == ([], [])
    assert (found("lime"), found("quince"), found("apple")) == ([lime.id], [apple.id], [apple.id])
    assert all(c.ok for c in health.examine(store) if c.name == "search")


def test_a_search_index_without_its_rows_is_rebuilt(tmp_path: Path) -> None:
    store = BeadStore.open(tmp_path / "state.db")
    bead = store.create("task", "needle")
    Tracker(store).comment(bead.id, "haystack", "ann")
    execute(store, "DELETE FROM bead_document")
    assert Tracker(store).search("needle") == []
    assert [c.name for c in health.examine(store, fix=True) if c.fixed] == ["search"]
    assert [b.id for b in Tracker(store).search("needle")] == [bead.id]
    assert [b.id for b in Tracker(store).search("haystack")] == [bead.id]


@pytest.mark.slow
def test_cycles_of_a_long_chain_need_no_recursion() -> None:
    chain = {str(n): [str(n + 1)] for n in range(50_000)}
    assert graph.cycles(chain) == []
    (circle,) = graph.cycles({**chain, "50000": ["0"]})
    assert len(circle) == 50_001
