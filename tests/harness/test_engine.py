"""Whole runs through the graph, with the oracle in place of a model."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval import get
from harness import engine, routing, wiring
from harness.report import Event, RunOptions, RunReport
from specialists.backends.base import TEMPLATE_TOKENS, GenerateRequest, GenerateResponse
from specialists.backends.openai import OpenAICompatibleBackend
from specialists.pocket import arithmetic
from specialists.registry import Card
from specialists.routing import PlainRouter
from state import BeadStore, Ledger, Runs, UsageError, database_url
from tests.oracle import (
    CARDS,
    Best,
    OracleBackend,
    by_form,
    horizon_story,
    multistage_story,
)
from tests.state.words import WordEmbedding
from tiers.domains.story.splitter import read_request
from tiers.protocol import Budget

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.delenv("HARNESS_DATABASE_URL", raising=False)
    monkeypatch.setattr(routing, "open_router", by_form)
    monkeypatch.setattr(wiring, "open_embedding", lambda embedder: WordEmbedding())
    return tmp_path


def use(
    monkeypatch: pytest.MonkeyPatch, backend: OracleBackend, cards: Sequence[Card] = CARDS
) -> None:
    async def open_backend(options: RunOptions) -> Any:
        return backend, cards

    monkeypatch.setattr(wiring, "open_backend", open_backend)


def run(problem: Any, *, events: list[Event] | None = None, **options: Any) -> RunReport:
    seen = events if events is not None else []

    async def go() -> RunReport:
        return await engine.start(problem, RunOptions(**options), seen.append, stop=asyncio.Event())

    return asyncio.run(go())


def test_a_story_is_planned_solved_and_verified(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = horizon_story(16, 3)
    use(monkeypatch, OracleBackend([story]))
    events: list[Event] = []
    report = run(get("horizon", "16-3"), events=events)
    assert report.verdict == "verified"
    assert report.answer == str(story.answer)
    assert report.reference_match is True
    assert report.exit_code == 0
    assert {"start", "plan", "monitor", "dispatch", "call", "outcome", "report"} <= {
        e.kind for e in events
    }
    assert report.specialists.keys() >= {"math", "decompose"}


class CutOff(OracleBackend):
    """Its arithmetic never comes to its end."""

    async def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResponse]:
        answers = await super().generate(requests)
        return [
            a.model_copy(update={"text": a.text[:5], "finish_reason": "length"})
            if arithmetic.parse(r.messages[-1].content)
            else a
            for r, a in zip(requests, answers, strict=True)
        ]


def test_an_answer_that_was_cut_off_is_a_cause_of_its_own(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, CutOff([horizon_story(16, 3)]))
    report = run(get("horizon", "16-3"))
    assert report.verdict == "failed"
    store = BeadStore.open(database_url())
    outcomes = store.of_run(report.run_id, "outcome", "fleet")
    assert outcomes
    causes = {f["cause"] for o in outcomes for f in o.data["outcome"]["failures"]}
    assert "cut-off" in causes
    assert any("cut off after" in bead.body for bead in outcomes)
    store.close_database()


def test_an_answer_may_be_as_long_as_the_context_leaves(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = OracleBackend([horizon_story(8, 1)])
    backend.context_tokens = 300
    use(monkeypatch, backend)
    report = run(get("horizon", "8-1"), strategy="direct", specialist="chain")
    (asked,) = backend.calls
    size = backend.count_tokens(asked.messages[-1].content)
    assert asked.sampling.max_tokens == 300 - size - 2 * TEMPLATE_TOKENS
    assert report.calls == 1


class LastInLine:
    """Scores that send every step to ``explain`` first, then to ``code``, and to ``math`` at last."""

    async def score(self, tasks: Sequence[str], cards: Sequence[Card]) -> np.ndarray:
        places = {"explain": 3.0, "code": 2.0, "math": 1.0}
        return np.array([[places.get(c.name, 0.0) for c in cards] for _ in tasks])


def test_those_who_give_nothing_are_not_counted_as_having_failed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    math = next(c for c in CARDS if c.name == "math")

    def fault(request: GenerateRequest, text: str) -> str:
        asked = arithmetic.parse(request.messages[-1].content)
        return "no idea" if asked and request.adapter != math.adapter else text

    use(monkeypatch, OracleBackend([horizon_story(8, 1)], fault))
    monkeypatch.setattr(routing, "open_router", lambda *_: PlainRouter(LastInLine(), Best()))
    report = run(get("horizon", "8-1"))
    assert report.verdict == "verified"
    store = BeadStore.open(database_url())
    decisions = [b.data["decision"] for b in store.of_run(report.run_id, "decision", "monitor")]
    assert "replan" not in decisions
    tried = [b.data["tried"] for b in store.of_run(report.run_id, "step") if "tried" in b.data]
    assert ["explain", "code"] in tried  # Later steps know from an insight whom to hand over to.
    store.close_database()


def test_work_that_failed_is_never_sampled_alike_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = CutOff([horizon_story(16, 3)])
    use(monkeypatch, backend)
    run(get("horizon", "16-3"))
    store = BeadStore.open(database_url())
    steps = {b.id: b for b in store.query(kind="step")}
    plans = {b.data["plan"] for b in steps.values() if b.data.get("failed")}
    assert len(plans) > 1, "no work was planned again after it failed"
    orders = [b.data["delegation"] for b in store.query(kind="decision", tier="dispatcher")]
    again = Counter((o["objective"], steps[o["bead_id"]].data["name"], o["before"]) for o in orders)
    assert set(again.values()) == {1}
    assert {o["policy"] for o in orders if o["before"]} == {"resample"}
    seeds = Counter(
        (r.adapter, r.messages[-1].content, r.sampling.seed)
        for r in backend.calls
        if arithmetic.parse(r.messages[-1].content)
    )
    assert set(seeds.values()) == {1}
    store.close_database()


def test_a_wrong_step_is_caught_by_its_inverse_and_tried_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = horizon_story(8, 1)
    spoiled: set[str] = set()

    def fault(request: GenerateRequest, text: str) -> str:
        prompt = request.messages[-1].content
        if request.sampling.temperature == 0 and not spoiled and prompt[0].isdigit():
            spoiled.add(prompt)
            return "= 1"
        return text

    use(monkeypatch, OracleBackend([story], fault))
    report = run(get("horizon", "8-1"))
    assert spoiled
    assert report.verdict == "verified"
    assert report.answer == str(story.answer)


def test_a_specialist_that_declines_is_asked_once_and_another_takes_the_step(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    math = next(c for c in CARDS if c.name == "math")
    cards = [c.model_copy(update={"declines": "not mine"}) if c == math else c for c in CARDS]
    declined: set[str] = set()

    def fault(request: GenerateRequest, text: str) -> str:
        prompt = request.messages[-1].content
        if request.adapter != math.adapter or (declined and prompt not in declined):
            return text
        declined.add(prompt)
        return "not mine"

    use(monkeypatch, OracleBackend([horizon_story(8, 1)], fault), cards)
    events: list[Event] = []
    report = run(get("horizon", "8-1"), events=events)
    assert report.verdict == "verified"
    (failed,) = [e for e in events if e.kind == "outcome" and e.data["status"] == "failed"]
    assert failed.data["specialist"] == "math"
    assert failed.data["attempts"] == 1


def test_a_specialist_that_is_always_wrong_ends_with_a_reason(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = horizon_story(8, 1)

    def fault(request: GenerateRequest, text: str) -> str:
        return "= 1" if request.messages[-1].content[0].isdigit() else text

    use(monkeypatch, OracleBackend([story], fault))
    report = run(get("horizon", "8-1"))
    assert report.verdict == "failed"
    assert report.reference_match is False
    assert "no progress" in (report.stop_reason or "")
    assert report.exit_code == 1


@pytest.mark.parametrize("limit", [Budget(calls=7), Budget(tokens=300)])
def test_the_budget_ends_a_run_and_says_so(
    limit: Budget, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, OracleBackend([horizon_story(16, 3)]))
    report = run(get("horizon", "16-3"), budget=limit)
    assert report.verdict == "exhausted"
    assert report.exit_code == 3
    assert "out of budget" in (report.stop_reason or "")
    assert report.calls <= (limit.calls or 10**6)


def test_direct_is_one_call_and_unverified(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = horizon_story(16, 3)
    use(monkeypatch, OracleBackend([story]))
    report = run(get("horizon", "16-3"), strategy="direct", specialist="chain")
    assert report.calls == 1
    assert report.verdict == "unverified"
    assert report.reference_match is True
    assert report.exit_code == 1


def test_three_stages_are_all_verified(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = get("multistage", "2")
    story = multistage_story(2)
    request = read_request(problem.statement)
    assert request
    assert request.body == story.text
    use(monkeypatch, OracleBackend([story]))
    report = run(problem)
    assert report.verdict == "verified", report.stop_reason
    assert report.reference_match is True, report.hidden
    assert [s.kind for s in report.steps[-2:]] == ["explain", "code"]


def test_a_stopped_run_is_resumed_without_paying_twice(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = horizon_story(16, 3)
    backend = OracleBackend([story], delay=0.005)
    use(monkeypatch, backend)
    problem = get("horizon", "16-3")

    async def stopped() -> RunReport:
        stop = asyncio.Event()

        def watch(event: Event) -> None:
            if event.kind == "outcome":
                stop.set()

        return await engine.start(problem, RunOptions(), watch, stop=stop)

    first = asyncio.run(stopped())
    assert first.status == "interrupted"
    assert first.exit_code == 130

    async def again() -> RunReport:
        return await engine.resume(first.run_id, lambda e: None, stop=asyncio.Event())

    second = asyncio.run(again())
    assert second.verdict == "verified"
    assert second.answer == str(story.answer)
    asked = [
        (r.adapter, r.messages, r.sampling.seed, r.sampling.temperature) for r in backend.calls
    ]
    store = BeadStore.open(database_url())
    assert len(Ledger(store).calls(first.run_id)) == len(backend.calls)
    assert len(asked) >= len(set(asked))
    assert asyncio.run(again()).verdict == "verified"


def test_a_run_killed_before_its_first_bead_is_resumed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, OracleBackend([horizon_story(8, 1)]))
    problem = get("horizon", "8-1")
    store = BeadStore.open(database_url())
    run = Runs(store, owner="a dead process").start(
        problem.id, problem_json=problem.model_dump_json(),
        config_json=RunOptions().model_dump_json(), ttl_s=0,
    )  # fmt: skip
    report = asyncio.run(engine.resume(run.id, lambda e: None, stop=asyncio.Event()))
    assert report.verdict == "verified"


def test_a_run_killed_after_its_last_bead_is_finished_and_nothing_done_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = OracleBackend([horizon_story(8, 1)])
    use(monkeypatch, backend)

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Runs, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            run(get("horizon", "8-1"))
    (begun,) = Runs(BeadStore.open(database_url())).list()
    events: list[Event] = []
    calls = len(backend.calls)
    report = asyncio.run(engine.resume(begun.id, events.append, stop=asyncio.Event()))
    assert report.verdict == "verified"
    assert len(backend.calls) == calls
    assert {e.kind for e in events} == {"start", "plan"}


@pytest.mark.parametrize("count", [4, 5, 6, 7, 8])
def test_a_run_killed_between_a_steps_writes_and_its_checkpoint_goes_on(
    home: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """LangGraph saves what nodes wrote before it saves the checkpoint that contains it."""
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    backend = OracleBackend([horizon_story(8, 1)])
    use(monkeypatch, backend)
    whole = run(get("horizon", "8-1"))
    put, saved = AsyncSqliteSaver.aput, 0

    async def dies(*arguments: Any) -> Any:
        nonlocal saved
        saved += 1
        if saved == count:
            raise RuntimeError("killed")
        return await put(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(AsyncSqliteSaver, "aput", dies)
        with pytest.raises(RuntimeError, match="killed"):
            run(get("horizon", "8-1"))
    store = BeadStore.open(database_url())
    begun = next(r for r in Runs(store).list() if r.id != whole.run_id)
    report = asyncio.run(engine.resume(begun.id, lambda e: None, stop=asyncio.Event()))
    assert report.verdict == "verified"
    decided = [
        [b.title for b in store.query(run_id=r, kind="decision", tier="monitor")]
        for r in (whole.run_id, begun.id)
    ]
    assert len(decided[1]) == len(decided[0])
    assert decided[1][1:] == decided[0][1:]  # The first may have found the other run's routine.


def test_a_person_can_refuse_edit_and_accept_a_plan(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = horizon_story(8, 1)
    use(monkeypatch, OracleBackend([story]))
    for decision, verdict in (("no", "failed"), ("yes", "verified")):
        report = run(get("horizon", "8-1"), approve="plan")
        assert report.status == "awaiting-approval"

        async def answer(run_id: str = report.run_id, said: str = decision) -> RunReport:
            approval = {"decision": said, "plan": None}
            return await engine.resume(
                run_id, lambda e: None, stop=asyncio.Event(), approval=approval
            )

        assert asyncio.run(answer()).verdict == verdict


def test_an_edited_amount_is_in_the_plan_that_is_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, OracleBackend([horizon_story(8, 1)]))
    begun = run(get("horizon", "8-1"), approve="plan")
    steps = BeadStore.open(database_url()).of_run(begun.run_id, "step")
    plan = {step.data["name"]: step.data["objective"] for step in steps}
    amount = next(step.data["name"] for step in steps if step.data["given"])
    events: list[Event] = []

    async def edit() -> RunReport:
        text = "".join(f"{name}: {told!r}\n" for name, told in {**plan, amount: "77"}.items())
        approval = {"decision": "edit", "plan": text}
        return await engine.resume(
            begun.run_id, events.append, stop=asyncio.Event(), approval=approval
        )

    asyncio.run(edit())
    shown = [e.data["steps"] for e in events if e.kind == "plan"][1]
    assert next(s["objective"] for s in shown if s["name"] == amount) == "77"


def test_a_run_on_a_server_goes_on_on_another_machine(
    home: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATABASE_URL", postgres_url)
    use(monkeypatch, OracleBackend([horizon_story(8, 1)]))
    begun = run(get("horizon", "8-1"), approve="plan")
    assert begun.status == "awaiting-approval"
    monkeypatch.setenv("HARNESS_HOME", str(home / "another"))

    async def go_on() -> RunReport:
        approval = {"decision": "yes", "plan": None}
        return await engine.resume(
            begun.run_id, lambda e: None, stop=asyncio.Event(), approval=approval
        )

    assert asyncio.run(go_on()).verdict == "verified"
    assert not [*home.rglob("*.db")]


def test_calls_under_way_when_the_budget_ends_are_paid_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(OracleBackend):
        async def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResponse]:
            await asyncio.sleep(0.05)
            return await super().generate(requests)

    use(monkeypatch, Slow([horizon_story(8, 1)]))
    options = RunOptions(strategy="plan", budget=Budget(calls=3))
    report = asyncio.run(
        engine.start(get("horizon", "8-1"), options, lambda e: None, stop=asyncio.Event())
    )
    assert report.verdict == "exhausted"
    assert report.stop_reason == "out of budget: 3 of 3 calls"
    assert report.calls == 3
    store = BeadStore.open(database_url())
    assert len(Ledger(store).calls(report.run_id)) == 3
    store.close_database()


def test_a_router_that_is_not_trained_leaves_no_run(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, OracleBackend([horizon_story(4, 1)]))
    monkeypatch.undo()
    monkeypatch.setenv("HARNESS_HOME", str(home))
    use(monkeypatch, OracleBackend([horizon_story(4, 1)]))
    with pytest.raises(UsageError, match="router train"):
        asyncio.run(
            engine.start(
                get("horizon", "4-1"), RunOptions(scorer="learned"), lambda e: None,
                stop=asyncio.Event(),
            )
        )  # fmt: skip
    store = BeadStore.open(database_url())
    assert Runs(store).list() == []
    store.close_database()


def test_an_answer_to_nothing_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, OracleBackend([horizon_story(4, 1)]))
    store = BeadStore.open(database_url())
    problem = get("horizon", "4-1")
    run = Runs(store).start(
        problem.id, problem_json=problem.model_dump_json(), seed=0,
        config_json=RunOptions().model_dump_json(),
    )  # fmt: skip
    Runs(store).release(run.id)
    with pytest.raises(UsageError, match="does not wait for approval"):
        asyncio.run(
            engine.resume(
                run.id, lambda e: None, stop=asyncio.Event(),
                approval={"decision": "yes", "plan": None},
            )
        )  # fmt: skip
    store.close_database()


@pytest.mark.parametrize("least", [0.0, 0.7])
def test_the_least_temperature_holds_for_every_sample(
    home: Path, monkeypatch: pytest.MonkeyPatch, least: float
) -> None:
    backend = OracleBackend([horizon_story(4, 1)])
    use(monkeypatch, backend)
    report = run(get("horizon", "4-1"), strategy="plan", temperature=least)
    assert report.verdict == "verified"
    store = BeadStore.open(database_url())
    drawn = {call.params["temperature"] for call in Ledger(store).calls(report.run_id)}
    store.close_database()
    assert min(drawn) == least


def test_a_forced_specialist_that_is_not_there_costs_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = OracleBackend([horizon_story(4, 1)])
    use(monkeypatch, backend)
    with pytest.raises(UsageError, match="no specialist 'nobody' in the fleet: it has"):
        run(get("horizon", "4-1"), specialist="nobody")
    assert backend.calls == []
    store = BeadStore.open(database_url())
    assert Runs(store).list() == []
    store.close_database()


def test_the_settings_of_the_endpoint_reach_it() -> None:
    options = RunOptions(
        backend="openai", base_url="http://x/v1", model="m", max_connections=7,
        request_timeout=33.0, score_concurrency=2,
    )  # fmt: skip
    backend = wiring._open(options)
    assert isinstance(backend, OpenAICompatibleBackend)
    assert backend._http._slots._value == 7
    assert backend._http.pace.limit(1000) == 33.0
    assert backend._scoring._value == 2
    assert RunOptions().score_concurrency == 1
