"""Systems and ablations on real runs, with the oracle in place of a model."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from eval import get
from eval.compare.comparison import Attempt
from harness import engine, routing, sweep, wiring
from harness.report import RunOptions
from specialists.backends.base import GenerateRequest
from state import BeadStore, Ledger, Runs, database_url
from state.errors import UsageError
from tests.harness.conftest import Cli
from tests.oracle import CARDS, OracleBackend, by_form, horizon_story
from tiers.protocol import Budget

NUMBERS = (1, 2, 3)


def adapter(name: str) -> str:
    return next(c.adapter or "" for c in CARDS if c.name == name)


def whole_stories_fail(request: GenerateRequest, text: str) -> str:
    """One call over a whole story goes wrong, single steps do not: what the hierarchy is for."""
    return "= 1" if request.messages[-1].content.startswith("Solve the story") else text


def use(monkeypatch: pytest.MonkeyPatch, backend: OracleBackend) -> None:
    async def open_backend(options: RunOptions) -> Any:
        return backend, CARDS

    monkeypatch.setattr(wiring, "open_backend", open_backend)
    monkeypatch.setattr(routing, "open_router", by_form)


def attempts(systems: list[str], problem: Any, **options: Any) -> dict[str, Attempt]:
    async def go() -> dict[str, Attempt]:
        async with sweep.open_solver(RunOptions(**options), {"s": [problem]}) as solve:
            return {s: await solve("s", s, problem, 1) for s in systems}

    return asyncio.run(go())


@pytest.mark.slow
def test_every_system_leaves_a_run_with_its_calls(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, OracleBackend([horizon_story(16, 3)], fault=whole_stories_fail))
    found = attempts(list(sweep.SYSTEMS), get("horizon", "16-3"), budget=Budget(tokens=4000))
    assert {s for s, a in found.items() if a.solved} == {"hierarchy"}
    assert found["direct"].calls == found["cot"].calls == found["repair"].calls == 1
    assert found["best_of_n"].calls > 3
    assert found["ensemble"].calls > 3
    store = BeadStore.open(database_url())
    for attempt in found.values():
        assert attempt.tokens <= 4000 + 200  # the last call may end a little beyond the limit
        run = Runs(store).get(attempt.run_id or "")
        assert run.status == "finished"
        assert len(Ledger(store).calls(run.id)) == attempt.calls > 0


def test_an_attempt_is_not_resumed_as_a_run_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, OracleBackend())
    config, task = RunOptions(system="cot"), get("horizon", "4-1")
    runs = Runs(BeadStore.open(database_url()))
    begun = runs.start(
        "x", config_json=config.model_dump_json(), problem_json=task.model_dump_json()
    )
    with pytest.raises(UsageError, match="go on with harness eval compare"):
        asyncio.run(engine.resume(begun.id, lambda e: None, stop=asyncio.Event()))


@pytest.mark.slow
def test_each_part_can_be_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = OracleBackend([horizon_story(16, 3)], fault=whole_stories_fail)
    use(monkeypatch, backend)
    systems = [sweep.WITHOUT + part for part in sweep.PARTS]
    found = attempts(systems, get("horizon", "16-3"), budget=Budget(calls=400))
    assert found["without-memory"].solved
    assert found["without-monitor"].solved
    unverified = found["without-verification"]
    assert unverified.solved
    assert not unverified.claimed
    assert unverified.calls < found["without-memory"].calls
    assert not found["without-decomposition"].solved
    assert found["without-routing"].solved  # the oracle answers under any adapter


@pytest.mark.slow
def test_without_routing_the_choice_is_even_and_repeatable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    for _ in range(2):
        backend = OracleBackend([horizon_story(16, 3)])
        use(monkeypatch, backend)
        attempts(["without-routing"], get("horizon", "16-3"), budget=Budget(calls=200))
        asked.append({r.adapter for r in backend.calls})
    assert len(asked[0]) > 3


def test_a_budget_below_one_call_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, OracleBackend([horizon_story(16, 3)]))
    with pytest.raises(UsageError, match=r"--budget-tokens 20 does not cover one call: .*16-3"):
        attempts(["direct"], get("horizon", "16-3"), budget=Budget(tokens=20))


@pytest.mark.slow
def test_compare_prints_writes_and_resumes(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    stories = [horizon_story(8, k) for k in NUMBERS]
    backend = OracleBackend(stories, fault=whole_stories_fail)
    use(monkeypatch, backend)
    words = ("eval", "compare", "--suite", "horizon/8", "--count", "3", "--first", "1",
             "--systems", "direct,hierarchy", "--out", "sweep")  # fmt: skip
    said = cli(*words)
    assert said.code == 0, said.err
    assert "6/6" in said.err
    assert "hierarchy" in said.out
    calls = len(backend.calls)
    again = cli(*words, "--json")
    assert len(backend.calls) == calls
    data = json.loads(again.out)
    rates = {s["system"]: s["solve_rate"] for s in data["comparisons"][0]["standings"]}
    assert rates == {"direct": 0.0, "hierarchy": 1.0}
    for name in ("comparison.md", "comparison.html", "comparison.json", "attempts.jsonl"):
        assert (Path("sweep") / name).stat().st_size > 100
    other = cli(*words, "--max-calls", "9")
    assert other.code == 2
    assert "another comparison (options differ)" in other.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--systems", "direct,magic"), "no system 'magic'"),
        (("--systems", "direct,direct"), "named twice"),
        (("--systems", "cot"), "--baseline direct is not among"),
        (("--without", "luck"), "no system 'without-luck'"),
        (("--suite", "nonsense"), "no suite 'nonsense'"),
        (("--suite", "gsm8k", "--path", "none.jsonl"), "no such file"),
        (("--suite", "horizon/8", "--path", "x"), "is packaged"),
        (("--count", "0"), "--count: at least 1"),
        (("--suite", "classics", "--first", "1000"), "has no problem number 1000"),
    ],
)
def test_a_wrong_command_line_is_one_clear_line(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str
) -> None:
    use(monkeypatch, OracleBackend())
    said = cli("eval", "compare", *words)
    assert said.code == 2
    assert says in said.err
    assert said.err.count("\n") == 1


@pytest.mark.slow
def test_a_comparison_that_cannot_be_run_leaves_nothing(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, OracleBackend([horizon_story(4, 1)]))
    words = ("eval", "compare", "--suite", "horizon/4", "--first", "1", "--count", "1")
    chosen = (*words, "--systems", "direct,hierarchy", "--json")
    for wrong in (("--executor", "foo"), ("--specialist", "nobody"), ("--budget-tokens", "0")):
        done = cli(*chosen, *wrong)
        assert (done.code, wrong[0] in done.out or wrong[1] in done.out) == (2, True)
    assert not list(folder.rglob("attempts.jsonl"))
    assert cli(*chosen).code == 0
    assert cli(*chosen, "--budget-tokens", "9000").code == 0, "other options, another folder"
    assert len(list(folder.rglob("attempts.jsonl"))) == 2
