"""The sequential test of two variants."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from eval import get
from eval.problems import Problem
from eval.variants import Standing, plan, stand, trial
from state.errors import UsageError

PROBLEMS = [get("horizon", f"4-{k}") for k in range(30)]


def run(a: Sequence[bool], b: Sequence[bool], seen: list[Standing] | None = None) -> Standing:
    marks = {"a": iter(a), "b": iter(b)}

    async def solved(name: str, problem: Problem) -> bool:
        return next(marks[name])

    log = seen if seen is not None else []
    return asyncio.run(trial(PROBLEMS, solved, on_standing=log.append))


def test_it_stops_as_soon_as_the_evidence_decides() -> None:
    seen: list[Standing] = []
    end = run([True] * 30, [False] * 30, seen)
    assert end.verdict == "A"
    assert end.problems == len(seen) == 8
    assert [s.verdict for s in seen[:-1]] == ["undecided"] * 7
    assert run([False] * 30, [True] * 30).verdict == "B"
    assert "A is better" in end.words


def test_equal_variants_stay_undecided() -> None:
    end = run([True, False] * 15, [False, True] * 15)
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
    async def solved(name: str, problem: Problem) -> bool:
        return True

    with pytest.raises(UsageError, match="no problems"):
        asyncio.run(trial([], solved))
    bare = PROBLEMS[0].model_copy(update={"hidden_checks": ()})
    with pytest.raises(UsageError, match="no checker"):
        asyncio.run(trial([bare], solved))
