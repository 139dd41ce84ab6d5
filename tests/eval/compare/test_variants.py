"""The sequential test of two variants."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from eval import get
from eval.compare.attempts import Attempt
from eval.compare.variants import Standing, plan, stand, trial
from eval.problems import Problem
from state.errors import UsageError

PROBLEMS = [get("horizon", f"4-{k}") for k in range(30)]


def made(name: str, problem: Problem, mark: bool | None) -> Attempt:
    """An attempt that solves its problem, does not, or is lost."""
    return Attempt(
        suite="s", system=name, problem=problem.id, seed=0, solved=mark is True,
        lost="answer" if mark is None else None, stop_reason="said",
    )  # fmt: skip


def run(
    a: Sequence[bool | None],
    b: Sequence[bool | None],
    seen: list[Standing] | None = None,
    lost: list[str] | None = None,
) -> Standing | None:
    marks = {"a": iter(a), "b": iter(b)}

    async def attempt(name: str, problem: Problem) -> Attempt:
        return made(name, problem, next(marks[name]))

    def tell(problem: str, reason: str) -> None:
        assert reason == "said"
        (lost if lost is not None else []).append(problem)

    log = seen if seen is not None else []
    return asyncio.run(trial(PROBLEMS, attempt, on_standing=log.append, on_lost=tell))


def test_it_stops_as_soon_as_the_evidence_decides() -> None:
    seen: list[Standing] = []
    end = run([True] * 30, [False] * 30, seen)
    assert end is not None
    assert end.verdict == "A"
    assert end.problems == len(seen) == 8
    assert [s.verdict for s in seen[:-1]] == ["undecided"] * 7
    assert "A is better" in end.words
    other = run([False] * 30, [True] * 30)
    assert other is not None
    assert other.verdict == "B"


def test_a_lost_attempt_leaves_its_problem_out() -> None:
    lost: list[str] = []
    end = run([None, True] * 15, [True, True] * 7 + [False, None] * 8, lost=lost)
    assert end is not None
    assert (end.problems, end.only_a, end.only_b) == (7, 0, 0)
    assert len(lost) == 23
    assert run([None] * 30, [True] * 30) is None


def test_equal_variants_stay_undecided() -> None:
    end = run([True, False] * 15, [False, True] * 15)
    assert end is not None
    assert (end.problems, end.verdict, end.only_a, end.only_b) == (30, "undecided", 15, 15)
    assert stand([(True, True)] * 50).p == 1.0


def test_the_plan_is_said_before() -> None:
    planned = plan(0.1)
    assert planned.fixed == 234
    assert planned.sequential > planned.fixed / 2
    assert "234 problems" in planned.words
    with pytest.raises(UsageError, match=r"--effect 0[.]5"):
        plan(0.5)


def test_what_cannot_be_tested_is_refused() -> None:
    async def attempt(name: str, problem: Problem) -> Attempt:
        return made(name, problem, True)

    with pytest.raises(UsageError, match="no problems"):
        asyncio.run(trial([], attempt))
    bare = PROBLEMS[0].model_copy(update={"hidden_checks": ()})
    with pytest.raises(UsageError, match="no checker"):
        asyncio.run(trial([bare], attempt))
