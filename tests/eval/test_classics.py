"""The hand-written problems: references pass every check, every mutant fails a hidden one."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from eval import get, suite_problems
from eval.classics import classic, classics
from eval.problems import score
from eval.sandbox import BubblewrapSandbox, Limits
from eval.validators import validators
from state.errors import UsageError

pytestmark = pytest.mark.slow

VALIDATORS = validators(BubblewrapSandbox(Limits(seconds=120)))
"""Wall-clock time is for sleepers; on a busy machine it must not decide about a reference."""


def cases(checks: tuple[object, ...]) -> int:
    """Single cases in a group of checks."""
    return sum(len(c.spec["cases"]) if "cases" in c.spec else 1 for c in checks)  # type: ignore[attr-defined]


def test_there_are_enough_of_every_kind() -> None:
    problems = [classic(name).problem for name in classics()]
    assert len(problems) >= 40
    forms = Counter(p.meta["form"] for p in problems)
    assert set(forms) == {"function", "stdio", "class_ops"}
    assert min(forms.values()) >= 5
    assert set(Counter(p.meta["level"] for p in problems)) == {"easy", "medium", "hard"}
    assert len({p.statement for p in problems}) == len(problems)


@pytest.mark.parametrize("name", classics())
def test_the_checks_tell_right_from_wrong(name: str) -> None:
    item = classic(name)
    problem = item.problem
    assert cases(problem.public_checks) >= 3
    assert cases(problem.hidden_checks) >= 8
    assert len(set(item.mutants) - {item.reference}) >= 2

    async def judge() -> None:
        answer = f"```python\n{item.reference}```"
        for check in problem.public_checks:
            result = await VALIDATORS[check.kind].validate(answer, check)
            assert result.passed, result.detail
        assert all(r.passed for r in await score(problem, answer, VALIDATORS))
        for mutant in item.mutants:
            compile(mutant, "mutant.py", "exec")
            results = await score(problem, f"```python\n{mutant}```", VALIDATORS)
            assert not all(r.passed for r in results), mutant

    asyncio.run(judge())


def test_no_hidden_case_is_shown() -> None:
    for name in classics():
        problem = classic(name).problem
        shown = [
            repr(c)
            for check in problem.public_checks
            for c in check.spec.get("cases", [check.spec])
        ]
        for check in problem.hidden_checks:
            for case in check.spec.get("cases", [check.spec]):
                assert repr(case) not in shown, (name, case)


def test_they_are_a_suite() -> None:
    assert get("classics", "roman-clock").entry_point == "roman"
    assert len(suite_problems("classics", range(1000))) == len(classics())
    with pytest.raises(UsageError, match="has no problem 'nothing'"):
        get("classics", "nothing")
