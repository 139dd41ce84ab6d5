"""Context packs: their entries, order and reasons, and their limit."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from state import Bead, BeadStore, Dependency, UsageError
from state.context import InputsTooLong, Pack, pack
from state.exchange import import_lines
from state.tracker import Tracker
from state.vectors import Vectors
from tests.state.clock import Clock
from tests.state.words import WordEmbedding


def count(text: str) -> int:
    """Tokens that do not add up: a token is two letters, over line ends too."""
    return (len(text) + 1) // 2


def run_of(store: BeadStore) -> dict[str, Bead]:
    """A small run: root, plan decision, two done steps, one open step that builds on the first."""
    root = store.create("epic", "h/1", body="How many ripe apples are in the garden?", run_id="r")
    keep = {"root": root}
    keep["plan"] = store.create(
        "decision", "plan 0: three steps", parent=root.id, run_id="r", tier="architect",
        status="closed",
    )  # fmt: skip
    for name, title, artifact in (("a", "count the apples", "17"), ("b", "water roses", "wet")):
        keep[name] = store.create(
            "step", title, parent=root.id, run_id="r", status="closed",
            data={"artifact": artifact, "inputs": {}},
        )  # fmt: skip
    keep["c"] = store.create(
        "step", "subtract the rotten apples", parent=root.id, run_id="r",
        data={"inputs": {"a": keep["a"].id}},
    )  # fmt: skip
    return keep


def build(store: BeadStore, bead: Bead, limit: int = 400, **options: object) -> Pack:
    return pack(
        store, bead.id, limit, count_tokens=count,
        **{"vectors": Vectors(store, WordEmbedding()), **options},
    )  # type: ignore[arg-type]  # fmt: skip


def test_first_objective_then_inputs_then_decisions_then_what_is_relevant(store: BeadStore) -> None:
    beads = run_of(store)
    lesson = store.create("insight", "rotten apples look ripe", run_id="another")
    found = build(store, beads["c"])
    assert found.text.splitlines() == [
        "Problem: How many ripe apples are in the garden?",
        "Known, a: 17",
        "Decided by the architect: plan 0: three steps",
        "Lesson: rotten apples look ripe",
    ]
    assert [e.why.split(" ")[0] for e in found.entries] == [
        "root",
        "input",
        "decision",
        "relevance",
    ]
    assert found.bead_ids == (beads["root"].id, beads["a"].id, beads["plan"].id, lesson.id)
    assert found.tokens == count(found.text)


def test_a_surprising_bead_comes_before_an_equally_relevant_one(store: BeadStore) -> None:
    beads = run_of(store)
    loud = store.create("outcome", "rotten apples", body="x", run_id="r", surprise=3.0)
    newer = store.create("outcome", "rotten apples", body="x", run_id="r", surprise=0.1)
    order = build(store, beads["c"]).bead_ids
    assert order.index(loud.id) < order.index(newer.id)


def test_older_beads_fade_unless_they_surprised(store: BeadStore, clock: Clock) -> None:
    beads = run_of(store)
    old = store.create("outcome", "rotten apples", body="old", run_id="r", surprise=0.1)
    kept = store.create("outcome", "rotten apples", body="kept", run_id="r", surprise=2.0)
    for _ in range(80):
        clock.advance(1)
        store.create("outcome", "rotten apples", body="later", run_id="r", surprise=0.1)
    by_id = {e.bead_id: e for e in build(store, beads["c"], 10_000).entries}
    assert (by_id[old.id].recency or 1) < 0.5
    assert by_id[kept.id].recency == 1.0
    flat = {e.bead_id: e for e in build(store, beads["c"], 10_000, decay=False).entries}
    assert flat[old.id].recency == 1.0


def test_recency_alone_takes_the_newest_whatever_they_are_about(store: BeadStore) -> None:
    beads = run_of(store)
    found = build(store, beads["c"], ranking="recency", vectors=None)
    assert beads["b"].id in found.bead_ids
    assert beads["b"].id not in build(store, beads["c"]).bead_ids


def test_the_same_store_gives_the_same_pack(store: BeadStore) -> None:
    beads = run_of(store)
    for number in range(40):
        store.create("outcome", f"apples {number}", body="same", run_id="r")
    first = build(store, beads["c"], 120)
    assert build(store, beads["c"], 120) == first


def test_a_prompt_that_states_the_problem_is_not_told_it_again(store: BeadStore) -> None:
    beads = run_of(store)
    assert "Problem:" not in build(store, beads["c"], objective=False).text
    same = store.create("step", beads["root"].body, parent=beads["root"].id, run_id="r")
    assert "Problem:" not in build(store, same).text


def test_a_long_objective_is_cut_and_the_pack_says_so(store: BeadStore) -> None:
    root = store.create("epic", "p", body="apple " * 500, run_id="r")
    step = store.create("step", "count", parent=root.id, run_id="r")
    found = build(store, step, 50)
    assert found.text.startswith("Problem: apple")
    assert found.text.endswith("…")
    assert found.tokens <= 25
    assert "cut to" in found.left_out[0]


def test_an_input_is_never_left_out(store: BeadStore) -> None:
    beads = run_of(store)
    long = store.create(
        "step", "list the rotten apples", parent=beads["root"].id, run_id="r", status="closed",
        data={"artifact": "apple " * 60, "inputs": {}},
    )  # fmt: skip
    step = store.create(
        "step", "describe each apple", parent=beads["root"].id, run_id="r",
        data={"inputs": {"a": beads["a"].id, "long": long.id}},
    )  # fmt: skip
    whole = "Known, a: 17\nKnown, long: " + "apple " * 60
    for limit in (count(whole), count(whole) + 5, count(whole) + 40, 1000):
        for ranking in ("full", "recency", "inputs"):
            found = build(store, step, limit, ranking=ranking)
            assert whole in found.text
            assert found.tokens == count(found.text) <= limit
    with pytest.raises(InputsTooLong, match=f"need {count(whole)} tokens, there is room for 50"):
        build(store, step, 50)
    grown = build(store, step, 50, inputs_limit=1000)
    assert grown.text == whole
    assert grown.limit == grown.tokens == count(whole)
    assert "Problem" not in grown.text


def test_issues_get_the_beads_of_the_project_and_their_blockers(store: BeadStore) -> None:
    done = store.create("task", "paint the door", status="closed", close_reason="it is green")
    task = store.create("bug", "the door sticks")
    store.create_many([], [Dependency(from_id=task.id, to_id=done.id)])
    other = store.create("task", "oil the door")
    store.create("step", "oil the door", run_id="r")
    found = build(store, task)
    assert "Known, paint the door: it is green" in found.text
    assert set(found.bead_ids) == {task.id, done.id, other.id}


def test_what_makes_no_sense_is_refused(store: BeadStore) -> None:
    bead = store.create("task", "x")
    with pytest.raises(UsageError, match="at least 1 token"):
        build(store, bead, 0)
    with pytest.raises(UsageError, match="needs an embedder"):
        build(store, bead, vectors=None)
    with pytest.raises(UsageError, match="unknown bead"):
        pack(store, "hm-none", 9, count_tokens=count, ranking="recency")


@pytest.mark.slow
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(limit=st.integers(1, 120), bodies=st.lists(st.text(max_size=40), max_size=6))
def test_a_pack_never_exceeds_its_limit(store: BeadStore, limit: int, bodies: list[str]) -> None:
    root = store.create("epic", "apples", body=" ".join(["apples", *bodies]))
    step = store.create("step", "count apples", parent=root.id)
    for body in bodies:
        store.create("outcome", "apples", body=body, parent=step.id)
    assert count(build(store, step, limit).text) <= limit


def test_a_task_comes_with_its_blockers_and_comments(store: BeadStore) -> None:
    tracker = Tracker(store)
    top, first = store.create("epic", "Parser"), store.create("task", "grammar first")
    second = store.create("task", "tokens", status="closed", close_reason="in lexer.py")
    needs = [(first.id, "blocks"), (second.id, "blocks")]
    task = tracker.create("task", "numbers", needs, parent=top.id)  # type: ignore[arg-type]
    tracker.comment(task.id, "negative ones too", "ann")
    for ranking in ("full", "recency"):
        assert build(store, task, ranking=ranking).text.splitlines()[:4] == [
            "Problem: Parser",
            "Known, tokens: in lexer.py",
            f"Waits for {first.id} (open): grammar first",
            "Said by ann: negative ones too",
        ]
    part = store.create("task", "hexadecimal", parent=task.id)
    assert f"Waits for {first.id} (open)" in build(store, part).text


def test_what_an_import_points_to_may_not_be_here(store: BeadStore) -> None:
    edges = [{"depends_on_id": "bd-9", "type": type} for type in ("blocks", "parent-child")]
    line = json.dumps({"id": "bd-1", "title": "t", "dependencies": edges})
    import_lines(store, [line.encode()], "f")
    assert build(store, store.get("bd-1")).text == "Problem: t"


def test_a_deleted_bead_is_worth_nothing(store: BeadStore) -> None:
    tracker = Tracker(store)
    gone, task = store.create("task", "count apples"), store.create("task", "count the apples")
    assert "count apples" in build(store, task, ranking="recency").text
    tracker.delete([gone.id])
    for ranking in ("full", "recency"):
        assert "count apples" not in build(store, task, ranking=ranking).text
