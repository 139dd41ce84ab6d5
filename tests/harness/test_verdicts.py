"""Verdicts of runs in which checks fail by themselves, public checks decide, or the time is
over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import eval.validators
from eval import Problem, get
from eval.errors.run_failures import failures
from eval.sandbox import BubblewrapSandbox
from harness import engine
from harness.report import RunOptions, RunReport
from specialists.backends.base import GenerateRequest
from state import (
    BackendUnavailable,
    BeadStore,
    Ledger,
    Run,
    Runs,
    SandboxUnavailable,
    UsageError,
    database_url,
)
from tests.harness.memory_runs import CHAT, Lab, chat, garden, planner, prompts
from tests.oracle import OracleBackend, horizon_story
from tiers import architect, model_calls
from tiers.protocol import Budget, Check, CheckResult

CODE = Problem(
    id="double", kind="code", statement="Write double(n).", entry_point="double",
    public_checks=(
        Check(
            kind="function",
            spec={"entry_point": "double", "cases": [{"args": [2], "expected": 4}]},
        ),
    ),
)  # fmt: skip
RIGHT = "```python\ndef double(n):\n    return 2 * n\n```"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.delenv("HARNESS_DATABASE_URL", raising=False)
    return Lab(monkeypatch)


class Judge:
    """A validator in place of ours."""

    def __init__(self, kind: str, judge: Callable[[str], Awaitable[CheckResult]]) -> None:
        self.kinds = frozenset({kind})
        self._judge = judge

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        return await self._judge(artifact)


def judged_by(lab: Lab, kind: str, judge: Callable[[str], Awaitable[CheckResult]]) -> None:
    ours = eval.validators.validators()
    lab.patch.setattr(eval.validators, "validators", lambda: {**ours, kind: Judge(kind, judge)})


def record(report: RunReport) -> tuple[Run, list[Any]]:
    """The run's row, and what the clusters of errors would be made of."""
    store = BeadStore.open(database_url())
    run = Runs(store).get(report.run_id)
    found = failures(store, [run])
    store.close_database()
    return run, found


async def _no_sandbox(*given: Any, **more: Any) -> Any:
    raise SandboxUnavailable("bubblewrap cannot be started: no space left")


async def _crash(artifact: str) -> CheckResult:
    raise TypeError("unhashable type: 'list'")


@pytest.mark.parametrize("fault", ["sandbox", "crash", "missing"])
def test_a_check_that_fails_by_itself_holds_nothing_against_anybody(lab: Lab, fault: str) -> None:
    problem, says = CODE, "could not be run: TypeError: unhashable type"
    if fault == "sandbox":
        lab.patch.setattr(BubblewrapSandbox, "run", _no_sandbox)
        says = "the sandbox failed: bubblewrap cannot be started: no space left"
    elif fault == "crash":
        judged_by(lab, "function", _crash)
    else:
        check = CODE.public_checks[0].model_copy(update={"kind": "oracle"})
        problem, says = CODE.model_copy(update={"public_checks": (check,)}), "nobody can run"
    backend = chat(lambda prompt, request: RIGHT)
    report = lab.run(problem, backend, CHAT)
    assert report.verdict == "unverified"
    assert report.answer == RIGHT
    assert says in report.doubts[0]
    assert report.exit_code == 1
    assert len(backend.calls) == 1, "nobody is asked to repair what no check refuted"
    (outcome,) = lab.beads(run_id=report.run_id, kind="outcome", tier="fleet")
    assert outcome.data["outcome"]["failures"] == []
    assert outcome.surprise is None
    assert lab.beads(kind="insight") == []
    assert record(report)[1] == []


BROKEN = ["def solve(:", "def solve():\n    return 1 / 0", "I cannot."]


@pytest.mark.slow
@pytest.mark.parametrize("good", [1, 2, 9])
def test_a_second_derivation_that_gives_no_number_is_asked_again(lab: Lab, good: int) -> None:
    """It refutes nothing: where no program can be run, the answer is unverified."""
    tries: list[str] = []

    def spoil(request: GenerateRequest, text: str) -> str:
        if not request.messages[-1].content.startswith("Write solve()"):
            return text
        tries.append(text)
        return text if len(tries) > good else BROKEN[len(tries) - 1]

    story = horizon_story(4, 1)
    backend = OracleBackend([story], spoil)
    report = lab.run(get("horizon", "4-1"), backend)
    assert report.answer == str(story.answer)
    assert len(tries) == min(3, good + 1)
    assert report.verdict == ("verified" if good < 3 else "unverified")
    assert bool(report.doubts) == (good >= 3)
    solved = [p for p in prompts(backend) if p.startswith("Solve the story")]
    assert len(solved) == 1
    assert record(report)[1] == []


EXACT = (Check(kind="exact", spec={"expected": "34"}),)


def test_a_plan_is_verified_by_the_public_checks_of_its_final_step(lab: Lab) -> None:
    report = lab.run(garden(checks=EXACT), chat(planner), CHAT, strategy="plan")
    assert report.answer == "34"
    assert [s.status for s in report.steps] == ["unverified", "verified"]
    assert report.verdict == "verified"
    assert "exact" in " ".join(report.checks)


def test_a_plan_without_public_checks_is_not(lab: Lab) -> None:
    report = lab.run(garden(), chat(planner), CHAT, strategy="plan")
    assert (report.verdict, report.answer, report.doubts) == ("unverified", "34", ())


@pytest.mark.slow
def test_public_checks_hold_whatever_the_plan(lab: Lab) -> None:
    """The problem's public checks hold even if no step was accepted by them."""
    lab.patch.setattr(architect, "accepted", lambda plan, checks, domains: plan)
    for expected, verdict in (("34", "verified"), ("35", "failed")):
        checks = (Check(kind="exact", spec={"expected": expected}),)
        report = lab.run(garden(checks=checks), chat(planner), CHAT, strategy="plan")
        assert (report.answer, report.verdict) == ("34", verdict)


def test_a_predicate_that_raises_on_an_answer_does_not_end_the_run(lab: Lab) -> None:
    predicate = "def accepts(answer): return int(answer) == 6"
    problem = garden(checks=(Check(kind="predicate", spec={"predicate": predicate}),))
    answers = iter(["six", "6"])
    backend = chat(lambda prompt, request: next(answers))
    report = lab.run(problem, backend, CHAT)
    assert (report.status, report.verdict, report.answer) == ("finished", "verified", "6")
    assert "the predicate raised ValueError" in prompts(backend)[-1]


async def _endless(artifact: str) -> CheckResult:
    await asyncio.sleep(60)
    raise AssertionError


@pytest.mark.slow
def test_the_deadline_reaches_a_check_under_way(lab: Lab) -> None:
    judged_by(lab, "function", _endless)
    began = time.monotonic()
    report = lab.run(CODE, chat(lambda p, r: RIGHT), CHAT, budget=Budget(seconds=1.0))
    assert time.monotonic() - began < 20
    assert (report.verdict, report.stop_kind, report.exit_code) == ("exhausted", "budget", 3)
    assert report.answer == RIGHT, "what there is, though nobody could check it"
    assert "of 1 seconds" in (report.stop_reason or "")


@pytest.mark.slow
@pytest.mark.parametrize("waits", ["call", "check"])
def test_a_stop_reaches_whatever_is_under_way(lab: Lab, waits: str) -> None:
    lab.patch.setattr(model_calls, "GRACE_S", 0.1)
    lab.patch.setattr(engine, "GRACE_S", 0.1)
    judged_by(lab, "function", _endless)
    backend = chat(lambda prompt, request: RIGHT)
    backend.delay = 60.0 if waits == "call" else 0.0
    lab.use(backend, CHAT)

    async def stopped() -> RunReport:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(1.0, stop.set)
        return await engine.start(CODE, RunOptions(), lambda event: None, stop=stop)

    began = time.monotonic()
    report = asyncio.run(stopped())
    assert time.monotonic() - began < 20
    assert (report.status, report.stop_kind, report.exit_code) == ("interrupted", "stopped", 130)
    assert report.lost == (waits == "call")
    assert report.calls == 1


def test_an_endpoint_that_moved_is_told_to_the_resume(lab: Lab) -> None:
    down = chat(lambda prompt, request: RIGHT)

    async def unreachable(requests: Any) -> Any:
        raise BackendUnavailable("http://old/v1 cannot be reached")

    lab.patch.setattr(down, "generate", unreachable)
    lab.use(down, CHAT)
    options = RunOptions(backend="openai", base_url="http://old/v1", model="old")
    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        asyncio.run(engine.start(CODE, options, lambda event: None, stop=asyncio.Event()))
    store = BeadStore.open(database_url())
    (run,) = Runs(store).list()
    assert (run.status, run.stop_kind) == ("interrupted", "error")
    opened: list[RunOptions] = []
    lab.use(chat(lambda prompt, request: RIGHT), CHAT, opened)

    def resume(**changes: str) -> RunReport:
        return asyncio.run(
            engine.resume(run.id, lambda event: None, stop=asyncio.Event(), **changes)
        )

    assert resume(base_url="http://new/v1", model="new").verdict == "verified"
    assert (opened[0].base_url, opened[0].model) == ("http://new/v1", "new")
    kept = RunOptions.model_validate_json(Runs(store).get(run.id).config_json)
    assert (kept.base_url, kept.model) == ("http://new/v1", "new")
    store.close_database()


@pytest.mark.slow
def test_a_resume_does_not_mix_models(lab: Lab) -> None:
    lab.patch.setattr(model_calls, "GRACE_S", 0.1)
    lab.use(chat(lambda prompt, request: RIGHT), CHAT)
    judged_by(lab, "function", _endless)
    options = RunOptions(backend="openai", base_url="http://x/v1", model="oracle")

    async def stopped() -> RunReport:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.7, stop.set)
        return await engine.start(CODE, options, lambda event: None, stop=stop)

    begun = asyncio.run(stopped())
    store = BeadStore.open(database_url())
    assert len(Ledger(store).calls(begun.run_id)) == 1
    with pytest.raises(UsageError, match="has answers of oracle: start a new run to use other"):
        asyncio.run(
            engine.resume(begun.run_id, lambda e: None, stop=asyncio.Event(), model="other")
        )
    assert Runs(store).get(begun.run_id).stop_kind == "stopped", "it is left as it was"
    store.close_database()


@pytest.mark.slow
def test_a_run_that_waits_for_approval_is_in_a_state_of_its_own(lab: Lab) -> None:
    backend = chat(planner)
    report = lab.run(garden(), backend, CHAT, strategy="plan", approve="plan")
    assert (report.status, report.stop_kind, report.exit_code) == (
        "awaiting-approval", "approval", 5,
    )  # fmt: skip
    run, _ = record(report)
    assert run.status == "awaiting-approval"
    bad = {"decision": "edit", "plan": "nonsense: 1"}
    with pytest.raises(UsageError, match="must keep the steps"):
        asyncio.run(
            engine.resume(report.run_id, lambda e: None, stop=asyncio.Event(), approval=bad)
        )
    assert record(report)[0].status == "awaiting-approval", "a bad answer leaves it waiting"
    no = {"decision": "no", "plan": None}
    ended = asyncio.run(
        engine.resume(report.run_id, lambda e: None, stop=asyncio.Event(), approval=no)
    )
    assert (ended.verdict, ended.stop_kind) == ("failed", "refused")
