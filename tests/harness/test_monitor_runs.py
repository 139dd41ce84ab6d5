"""The monitor on whole runs: spinning specialists are replaced, improving ones continue, drift ends
a plan."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest

from eval import get
from eval.validators import validators
from harness import engine, routing
from harness.report import RunOptions
from specialists.backends.base import GenerateRequest
from specialists.routing import PlainRouter
from state import BeadStore, Runs, database_url
from tests.harness.memory_runs import CHAT, Lab, chat, garden, prompts
from tests.oracle import CARDS, Best, ByForm, OracleBackend, horizon_story
from tiers.dispatcher import ATTEMPTS
from tiers.memory import MemoryPolicy
from tiers.monitor import Monitor
from tiers.protocol import Check


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.delenv("HARNESS_DATABASE_URL", raising=False)
    return Lab(monkeypatch)


def ladder(*answers: str) -> tuple[Check, ...]:
    """Checks of which each further answer passes one more; the last passes all."""
    return tuple(
        Check(
            kind="any_of",
            spec={"checks": [{"kind": "exact", "spec": {"expected": a}} for a in answers[k:]]},
        )
        for k in range(len(answers))
    )


def answering(*answers: str) -> Any:
    """A chat model that gives these answers in turn, the last one for ever."""
    left = list(answers)

    def script(prompt: str, request: GenerateRequest) -> str:
        return left.pop(0) if len(left) > 1 else left[0]

    return chat(script)


def served(lab: Lab, run_id: str) -> list[str]:
    orders = lab.beads(run_id=run_id, kind="decision", tier="dispatcher")
    return [str(o.assignee) for o in orders]


def test_a_specialist_that_comes_closer_goes_on(lab: Lab) -> None:
    backend = answering(*["x"] * (ATTEMPTS - 2), "y", "one", "two", "three")
    report = lab.run(garden(checks=ladder("one", "two", "three")), backend, CHAT)
    assert report.verdict == "verified"
    first, second = served(lab, report.run_id)
    assert first == second
    assert any("came closer" in d.title for d in lab.decisions(report))


def test_a_specialist_that_spins_makes_room_for_another(lab: Lab) -> None:
    backend = answering(*["x"] * (ATTEMPTS + 1), "three")
    report = lab.run(garden(checks=ladder("one", "two", "three")), backend, CHAT)
    assert report.verdict == "verified"
    first, second = served(lab, report.run_id)
    assert first != second
    decision = next(d for d in lab.decisions(report) if d.data["decision"] == "escalate")
    assert "spins: the same answer 3 times" in decision.title
    assert decision.data["spinning"] == {"all": "the same answer 3 times"}
    assert decision.surprise is not None


@pytest.mark.slow
def test_coming_closer_is_bounded(lab: Lab) -> None:
    backend = answering(*["x", "x", "y", "one"] * 60)
    report = lab.run(garden(checks=ladder("one", "two", "three")), backend, CHAT)
    assert report.verdict == "failed"
    assert "no p" in (report.stop_reason or "")


@pytest.mark.slow
def test_a_step_that_fails_two_plans_in_the_same_way_ends_the_run(lab: Lab) -> None:
    def wrong(request: GenerateRequest, text: str) -> str:
        return "= 1" if request.messages[-1].content[0].isdigit() else text

    backend = OracleBackend([horizon_story(8, 1)], wrong)
    report = lab.run(get("horizon", "8-1"), backend)
    assert report.verdict == "failed"
    assert "spinning" in (report.stop_reason or "")
    assert "two plans" in (report.stop_reason or "")
    assert sum(d.data["decision"] == "replan" for d in lab.decisions(report)) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "decision"),
    [("Knead bread dough with flour.", "replan"), ("Find the number of apples.", "escalate")],
)
def test_a_failed_step_about_something_else_ends_its_plan(
    lab: Lab, objective: str, decision: str
) -> None:
    plan = '{"steps": [{"name": "a", "objective": "%s"}], "answer": "a"}' % objective  # noqa: UP031

    def script(prompt: str, request: GenerateRequest) -> str:
        return plan if "Split the problem" in prompt else f"no {request.sampling.seed}"

    checks = (Check(kind="exact", spec={"expected": "34"}),)
    report = lab.run(garden(checks=checks), chat(script), CHAT, strategy="plan")
    made = [d for d in lab.decisions(report) if d.data["decision"] in ("replan", "escalate")]
    assert made[0].data["decision"] == decision
    assert (made[0].data["drift"] > 0.9) is (decision == "replan")
    assert ("drifted" in made[0].title) is (decision == "replan")


@pytest.mark.slow
def test_arithmetic_has_no_words_to_drift_in(lab: Lab) -> None:
    report = lab.run(get("horizon", "8-1"), OracleBackend([horizon_story(8, 1)]))
    assert {d.data.get("drift") for d in lab.decisions(report)} == {None}


def test_a_decision_made_before_a_crash_is_not_made_again(lab: Lab) -> None:
    story = horizon_story(4, 1)
    backend = OracleBackend([story])
    lab.run(get("horizon", "4-1"), backend)
    store = BeadStore.open(database_url())
    problem = get("horizon", "4-1")
    run = Runs(store).start(problem.id)
    store.create("epic", problem.id, key=f"{run.id}|root", run_id=run.id, body=problem.statement)

    def decide(**memory: Any) -> Any:
        context = engine.make_context(
            run, problem.task(), RunOptions(memory=MemoryPolicy(**memory)), store, backend, CARDS,
            validators(), lambda event: None,
        )  # fmt: skip
        return asyncio.run(Monitor(context).decide(0, None, None))

    first = decide()
    assert "routine" in first.reason
    assert decide(routines=False) == first
    assert len(store.query(run_id=run.id, kind="decision")) == 1
    store.close_database()


def test_the_plan_s_context_is_the_same_after_a_crash(lab: Lab) -> None:
    from tiers.domains.text.llm_plan import _shown

    checks = (Check(kind="exact", spec={"expected": "34"}),)
    lab.run(garden(checks=checks), answering("33", "34"), CHAT)
    backend = answering("34")
    store = BeadStore.open(database_url())
    problem = garden(checks=checks, name="again")
    run = Runs(store).start(problem.id)
    store.create("epic", problem.id, key=f"{run.id}|root", run_id=run.id, body=problem.statement)
    context = engine.make_context(
        run, problem.task(), RunOptions(), store, backend, CHAT, validators(), lambda event: None
    )
    general = next(c for c in CHAT if c.name == "general")
    first = asyncio.run(_shown(context, general, 0))
    assert "Solved before" in first
    store.create("insight", "apples in the garden are twice as many", body="in the house")
    assert asyncio.run(_shown(context, general, 0)) == first
    assert prompts(backend) == []
    store.close_database()


@pytest.mark.slow
def test_surprise_is_under_what_routing_knew(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first outcome of a specialist has the router's posterior alone, or none."""

    class Experienced(ByForm):
        async def records(self, tasks: Any, cards: Any) -> list[dict[str, tuple[float, float]]]:
            return [{"math": (18.0, 2.0)} for _ in tasks]

    def first(router: Any) -> dict[str, float]:
        monkeypatch.setattr(routing, "open_router", lambda *a: router)
        story = horizon_story(4, 1)
        report = lab.run(get("horizon", "4-1"), OracleBackend([story]), strategy="plan")
        assert report.verdict == "verified"
        found: dict[str, float] = {}
        for bead in lab.beads(run_id=report.run_id, kind="outcome", tier="fleet"):
            found.setdefault(bead.assignee or "", bead.data["outcome"]["surprise"])
        return found

    assert first(PlainRouter(Experienced(), Best()))["math"] == pytest.approx(-math.log(0.9))
    assert first(PlainRouter(ByForm(), Best()))["math"] == pytest.approx(-math.log(0.5))
