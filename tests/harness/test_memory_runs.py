"""Memory that changes behaviour, on whole runs: routines, insights, packs, and their switches."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval import get
from specialists.backends.base import GenerateRequest
from state.evidence import record_of
from tests.harness.memory_runs import CHAT, PLAN, Lab, chat, garden, planner, prompts
from tests.oracle import CARDS, OracleBackend, horizon_story
from tiers.memory import MemoryPolicy
from tiers.protocol import Check

pytestmark = pytest.mark.slow

ALIKE = (1, 16, 21, 23)
"""Numbers of 4-event stories that share many words."""
STORIES = [horizon_story(4, k) for k in ALIKE]
MATH = next(c.adapter for c in CARDS if c.name == "math")
OWN_STEPS = {f"{a} {step.op} {b}" for s in STORIES for step, a, b, _ in s.values if step.op}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.delenv("HARNESS_DATABASE_URL", raising=False)
    return Lab(monkeypatch)


def no_direct(request: GenerateRequest, text: str) -> str:
    """A fleet that cannot solve a story in one call."""
    return "answer: 1" if request.messages[-1].content.startswith("Solve the story") else text


def weak_math(request: GenerateRequest, text: str) -> str:
    """A math specialist that fails on the stories' own operations; others can do them."""
    own = request.adapter == MATH and request.messages[-1].content in OWN_STEPS
    return "= 1" if own else text


def direct_calls(backend: OracleBackend) -> int:
    return sum(p.startswith("Solve the story") for p in prompts(backend))


class TestRoutines:
    def test_the_way_that_was_verified_is_tried_first_next_time(self, lab: Lab) -> None:
        backend = OracleBackend(STORIES, no_direct)
        first = lab.run(get("horizon", "4-1"), backend)
        assert (first.verdict, direct_calls(backend) > 0) == ("verified", True)
        (routine,) = lab.beads(kind="routine")
        assert (routine.data["mode"], routine.data["decomposer"]) == ("plan", "learned")
        assert routine.data["specialists"]["math"] == "math"
        second = lab.run(get("horizon", "4-16"), backend)
        assert (second.verdict, direct_calls(backend)) == ("verified", 0)
        decision = lab.decisions(second)[0]
        assert decision.data["routine"]["bead_id"] == routine.id
        assert routine.id in decision.title
        assert len(lab.beads(kind="routine")) == 1
        pieces = lab.beads(parent=routine.id, kind="outcome")
        assert [p.close_reason for p in pieces] == ["won", "won"]

    def test_it_chooses_the_specialists_without_scoring(self, lab: Lab) -> None:
        backend = OracleBackend(STORIES, no_direct)
        lab.run(get("horizon", "4-1"), backend)
        second = lab.run(get("horizon", "4-16"), backend)
        orders = lab.beads(run_id=second.run_id, kind="decision", tier="dispatcher")
        assert orders
        assert {o.body for o in orders} == {"route by cache"}

    def test_without_routines_every_run_starts_anew(self, lab: Lab) -> None:
        backend = OracleBackend(STORIES, no_direct)
        off = MemoryPolicy(routines=False)
        for number in ALIKE[:2]:
            lab.run(get("horizon", f"4-{number}"), backend, memory=off)
            assert direct_calls(backend) > 0
        assert lab.beads(kind="routine") == []

    def test_one_that_fails_is_no_longer_trusted(self, lab: Lab) -> None:
        good, bad = OracleBackend(STORIES, no_direct), OracleBackend(STORIES, lambda r, t: "= 1")
        lab.run(get("horizon", "4-1"), good)
        (routine,) = lab.beads(kind="routine")
        for number in ALIKE[1:3]:
            report = lab.run(get("horizon", f"4-{number}"), bad)
            assert "routine" in lab.decisions(report)[0].data
        store_record = [p.close_reason for p in lab.beads(parent=routine.id, kind="outcome")]
        assert store_record == ["won", "lost", "lost"]
        report = lab.run(get("horizon", "4-23"), good)
        assert "routine" not in lab.decisions(report)[0].data

    def test_another_fleet_s_routines_are_not_its_own(self, lab: Lab) -> None:
        backend = OracleBackend(STORIES, no_direct)
        lab.run(get("horizon", "4-1"), backend)
        lab.run(get("horizon", "4-16"), backend, CARDS[:-1])
        assert direct_calls(backend) > 0

    def test_a_much_longer_problem_is_of_another_kind(self, lab: Lab) -> None:
        long = horizon_story(16, 3)
        lab.run(get("horizon", "4-1"), OracleBackend(STORIES))
        report = lab.run(get("horizon", "16-3"), OracleBackend([long]))
        assert "routine" not in lab.decisions(report)[0].data

    def test_an_answer_that_nothing_verified_teaches_no_routine(self, lab: Lab) -> None:
        report = lab.run(garden(), chat(planner), CHAT)
        assert report.verdict == "unverified"
        assert lab.beads(kind="routine") == []


class TestInsights:
    def test_a_pocket_specialist_hands_over_sooner_once_it_is_known_who_helps(
        self, lab: Lab
    ) -> None:
        backend = OracleBackend(STORIES, weak_math)
        first = lab.run(get("horizon", "4-1"), backend, strategy="plan")
        assert first.verdict == "verified"
        lessons = lab.beads(kind="insight")
        assert {i.data["by"] for i in lessons} == {"specialist"}
        assert "inverse-mismatch" in lessons[0].title
        # Routines off: they would name the right specialist before anything fails.
        policy = MemoryPolicy(routines=False)
        second = lab.run(get("horizon", "4-16"), backend, strategy="plan", memory=policy)
        assert second.verdict == "verified"
        failed = [
            o.data["outcome"]
            for o in lab.beads(run_id=second.run_id, kind="outcome", tier="fleet")
            if o.data["outcome"]["status"] == "failed"
        ]
        assert failed
        assert {o["attempts"] for o in failed} == {1}
        assert all("handed over" in o["error"] for o in failed)
        without = lab.run(
            get("horizon", "4-16"), backend, strategy="plan",
            memory=MemoryPolicy(insights=False, routines=False),
        )  # fmt: skip
        assert without.calls > second.calls

    def test_a_repair_by_feedback_is_told_what_helped_before(self, lab: Lab) -> None:
        checks = (Check(kind="exact", spec={"expected": "34"}),)

        def script(prompt: str, request: GenerateRequest) -> str:
            return "34" if "That is not right" in prompt else "33"

        backend = chat(script)
        first = lab.run(garden(checks=checks), backend, CHAT)
        assert first.verdict == "verified"
        (lesson,) = lab.beads(kind="insight")
        assert lesson.data["cause"] == "wrong-value"
        assert not any("From earlier work" in p for p in prompts(backend))
        lab.run(garden(checks=checks, name="again"), backend, CHAT)
        repairs = [p for p in prompts(backend) if "That is not right" in p]
        assert repairs
        assert all(f"From earlier work: {lesson.title}." in p for p in repairs)
        assert [p.close_reason for p in lab.beads(parent=lesson.id, kind="outcome")] == ["won"] * 2
        off = MemoryPolicy(insights=False)
        lab.run(garden(checks=checks, name="off"), backend, CHAT, memory=off)
        assert not any("From earlier work" in p for p in prompts(backend))

    def test_a_remedy_that_stops_helping_loses_its_chance(self, lab: Lab) -> None:
        checks = (Check(kind="exact", spec={"expected": "34"}),)
        helps = [True]

        def script(prompt: str, request: GenerateRequest) -> str:
            return "34" if helps[0] and "That is not right" in prompt else "33"

        backend = chat(script)
        lab.run(garden(checks=checks), backend, CHAT)
        (lesson,) = lab.beads(kind="insight")
        helps[0] = False
        lab.run(garden(checks=checks, name="again"), backend, CHAT)
        reasons = {p.close_reason for p in lab.beads(parent=lesson.id, kind="outcome")}
        assert reasons == {"won", "lost"}


class TestPacks:
    def test_a_chat_model_s_step_sees_problem_inputs_and_lessons(self, lab: Lab) -> None:
        backend = chat(planner)
        lab.run(garden(), backend, CHAT, strategy="plan")
        (last,) = [p for p in prompts(backend) if "Task: Double" in p]
        assert "Problem: Find twice the number of apples" in last
        assert "Known, a: 17" in last

    @pytest.mark.parametrize(("packs", "shown"), [("on", True), ("recency", True), ("off", False)])
    def test_the_switch(self, lab: Lab, packs: str, shown: bool) -> None:
        backend = chat(planner)
        policy = MemoryPolicy.model_validate({"packs": packs})
        report = lab.run(garden(), backend, CHAT, strategy="plan", memory=policy)
        (last,) = [p for p in prompts(backend) if "Task: Double" in p]
        assert ("Problem: " in last) is shown
        assert "Known, a: 17" in last
        orders = lab.beads(run_id=report.run_id, kind="decision", tier="dispatcher")
        assert bool(orders[0].data["pack"]) is shown

    def test_the_architect_is_shown_lessons_of_similar_work(self, lab: Lab) -> None:
        checks = (Check(kind="exact", spec={"expected": "34"}),)

        def script(prompt: str, request: GenerateRequest) -> str:
            if prompt.startswith("Split the problem"):
                return PLAN
            return "34" if "That is not right" in prompt else "33"

        backend = chat(script)
        lab.run(garden(checks=checks), backend, CHAT)
        assert lab.beads(kind="insight")
        lab.run(garden(checks=checks, name="again"), backend, CHAT, strategy="plan")
        (asked,) = [p for p in prompts(backend) if "Split the problem" in p]
        assert "What is known already:\nSolved before: a text problem" in asked
        off = MemoryPolicy(packs="off", routines=False)
        lab.run(garden(name="off"), backend, CHAT, strategy="plan", memory=off)
        (asked,) = [p for p in prompts(backend) if "Split the problem" in p]
        assert "What is known already" not in asked

    def test_a_replan_is_shown_what_failed(self, lab: Lab) -> None:
        checks = (Check(kind="exact", spec={"expected": "34"}),)

        def script(prompt: str, request: GenerateRequest) -> str:
            if prompt.startswith("Split the problem"):
                return PLAN
            return f"no {len(prompt)}"

        backend = chat(script)
        lab.run(garden(checks=checks), backend, CHAT, strategy="plan")
        replans = [p for p in prompts(backend) if "Split the problem" in p]
        assert any("Decided by the monitor: replan" in asked for asked in replans)

    def test_pocket_specialists_get_their_one_form_of_prompt(self, lab: Lab) -> None:
        backend = OracleBackend(STORIES, weak_math)
        for number in ALIKE[:2]:
            lab.run(get("horizon", f"4-{number}"), backend)
            said = "".join(prompts(backend))
            assert not any(word in said for word in ("Known, ", "Problem: ", "Lesson: ", "Task: "))


def test_decay_lets_old_expected_evidence_fade(lab: Lab) -> None:
    from state import BeadStore, database_url

    backend = OracleBackend(STORIES)
    report = lab.run(get("horizon", "4-1"), backend)
    for _ in range(3):
        report = lab.run(get("horizon", "4-16"), backend)
    routine = lab.decisions(report)[0].data["routine"]
    store = BeadStore.open(database_url())
    faded = record_of(store, routine["bead_id"]).chance
    whole = record_of(store, routine["bead_id"], decay=False).chance
    store.close_database()
    assert faded < whole
    kept = lab.run(get("horizon", "4-21"), backend, memory=MemoryPolicy(decay=False))
    assert lab.decisions(kept)[0].data["routine"]["chance"] == whole
