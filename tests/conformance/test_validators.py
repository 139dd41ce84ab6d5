"""The contract of a validator: every kind of check runs this suite.

A new kind needs a spec here, an artifact that is right, and one that is wrong.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest

from eval.schema import problem_from
from eval.validators import validators
from state.errors import UsageError
from tiers.protocol import Check, CheckResult


class Case(NamedTuple):
    """A check, and how two artifacts fare."""

    spec: dict[str, Any]
    right: str
    wrong: str


DOUBLE = "def f(x):\n    return 2 * x"
HALF = "def f(x):\n    return x / 2"
STEPS = {
    "values": [{"target": "Ben", "op": "+", "left": 12, "right": 30, "result": 42}], "answer": 42
}  # fmt: skip
CASES: dict[str, Case] = {
    "exact": Case({"expected": "a b"}, " a  b ", "a c"),
    "numeric": Case({"expected": 7}, "The answer is 7.", "The answer is 8."),
    "unordered": Case({"expected": ["a", "b"]}, "b, a", "a, a"),
    "any_of": Case(
        {"checks": [{"kind": "exact", "spec": {"expected": x}} for x in ("yes", "true")]},
        "true", "no",
    ),
    "function": Case(
        {"entry_point": "f", "cases": [{"args": [3], "expected": 6}]}, DOUBLE, HALF
    ),
    "stdio": Case(
        {"cases": [{"stdin": "3\n", "stdout": "6\n"}]},
        "print(2 * int(input()))", "print(int(input()))",
    ),
    "class_ops": Case(
        {"class_name": "Box", "operations": ["Box", "get"], "args": [[3], []],
         "expected": [None, 3]},
        "class Box:\n    def __init__(self, x):\n        self.x = x\n    def get(self):\n"
        "        return self.x",
        "class Box:\n    def __init__(self, x):\n        pass\n    def get(self):\n        return 4",
    ),
    "program_value": Case(
        {"entry_point": "solve", "expected": 42},
        "def solve():\n    return 6 * 7", "def solve():\n    return 6 + 7",
    ),
    "explanation": Case(
        STEPS,
        "#1 Ben has 12 and 30 more, which makes 42.\nThe answer is 42.",
        "#1 Ben has 12 and 31 more, which makes 43.\nThe answer is 43.",
    ),
    "unit_test": Case({"entry_point": "f", "test": "assert f(3) == 6"}, DOUBLE, HALF),
    "predicate": Case(
        {"predicate": "def accepts(answer):\n    return int(answer) % 2 == 0"}, "6", "7"
    ),
}  # fmt: skip
LONG = 100_000
ODD = [
    "", "\0", "```", "\ud800", "é" * LONG, " " * LONG, "`" * LONG, "```a" + " " * LONG + "b",
    "x```" + " " * LONG + "!", "```\n" + " " * LONG, "\n" * LONG, "`" * LONG + "!",
    "```py" + " " * LONG + "x",
]  # fmt: skip
"""Artifacts that models write and nobody wants; a judge that takes the square of their length does not
end in the time that a test has."""
KINDS = pytest.mark.parametrize("kind", CASES)


def judge(kind: str, artifact: str, spec: dict[str, Any] | None = None) -> CheckResult:
    check = Check(kind=kind, spec=CASES[kind].spec if spec is None else spec)
    return asyncio.run(validators()[kind].validate(artifact, check))


def test_every_kind_is_here() -> None:
    assert set(CASES) == set(validators())


@KINDS
def test_right_passes_and_wrong_is_refuted(kind: str) -> None:
    right = judge(kind, CASES[kind].right)
    assert right.passed, right.detail
    assert not right.inconclusive
    wrong = judge(kind, CASES[kind].wrong)
    assert wrong.refutes, wrong
    assert wrong.signature
    assert wrong.detail.strip()
    assert "\n" not in wrong.detail
    assert wrong.kind == kind


@pytest.mark.slow
@KINDS
@pytest.mark.parametrize("artifact", ODD, ids=range(len(ODD)))
def test_no_artifact_breaks_the_judge(kind: str, artifact: str) -> None:
    result = judge(kind, artifact)
    assert not result.passed
    assert not result.signature.startswith("judge-failed")
    assert CheckResult.model_validate_json(result.model_dump_json()) == result


@KINDS
def test_a_malformed_spec_is_refused_by_judge_and_problem_file(kind: str) -> None:
    spec = {**CASES[kind].spec, "surprise": 1}
    with pytest.raises(UsageError, match="surprise"):
        judge(kind, CASES[kind].right, spec)
    with pytest.raises(UsageError, match="surprise"):
        problem_from({"statement": "x", "public_checks": [{"kind": kind, "spec": spec}]}, "p", "p")


@KINDS
def test_a_problem_file_may_use_it(kind: str) -> None:
    check = {"kind": kind, "spec": CASES[kind].spec}
    problem = problem_from({"statement": "x", "hidden_checks": [check]}, "p", "p")
    assert problem.hidden_checks == (Check(kind=kind, spec=CASES[kind].spec),)
