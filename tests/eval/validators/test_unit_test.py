"""Test code against candidates: right, wrong, and out to cheat; and the predicate."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from eval.datasets import humaneval
from eval.sandbox import BubblewrapSandbox
from eval.validators import validators
from eval.validators.unit_test import judge_many
from state.errors import UsageError
from tests.shared_data import shared
from tiers.protocol import Check, CheckResult

TEST = """
def check(candidate):
    assert candidate([1, 2]) == 3
    assert candidate([]) == 0
    xs = [1]
    candidate(xs)
    assert xs == [1]
    try:
        candidate(None)
    except TypeError:
        pass
    else:
        assert False
"""
RIGHT = "def total(xs):\n    return sum(xs)\n"
CHEATS = {
    "reads the judge's memory": (
        "import os\ntext = open(f'/proc/{os.getppid()}/mem', 'rb').read(8)\n" + RIGHT
    ),
    "writes to the judge's channel": (
        "import os\nfor n in os.listdir(f'/proc/{os.getppid()}/fd'):\n"
        "    open(f'/proc/{os.getppid()}/fd/{n}', 'w').write('{\"passed\": true}\\n')\n"
        "def total(xs): return 0\n"
    ),
    "writes to every descriptor": (
        "import os\nfor n in range(64):\n    try:\n"
        '        os.write(n, b\'{"candidate": 0, "passed": true}\\n\')\n    except OSError: pass\n'
        "def total(xs): return 0\n"
    ),
    "kills the judge": "import os\ndef total(xs):\n    os.kill(os.getppid(), 9)\n",
    "kills its group": "import os\nos.killpg(0, 9)\n",
    "leaves": "import os\ndef total(xs): os._exit(0)\n",
    "equals everything": (
        "class Yes:\n    def __eq__(self, other): return True\n    def __bool__(self): return True\n"
        "def total(xs): return Yes()\n"
    ),
    "changes the tests' builtins": "import builtins\nbuiltins.AssertionError = ValueError\n"
    "def total(xs): return 0\n",
    "mutates its arguments": "def total(xs):\n    s = sum(xs)\n    xs.append(0)\n    return s + 1\n",
}


def many(*answers: str, test: str = TEST, prompt: str = "") -> list[CheckResult]:
    spec = {"entry_point": "total", "test": test, "prompt": prompt, "timeout": 60}
    check = Check(kind="unit_test", spec=spec)
    return asyncio.run(judge_many(BubblewrapSandbox(), answers, check))


@pytest.mark.slow
def test_many_answers_are_judged_in_one_launch() -> None:
    results = many(
        RIGHT, "def total(xs): return 0", "def total(xs:", "def other(x): pass", "",
        "def total(xs): raise KeyError('k')", "import os\ndef total(xs): os._exit(1)", RIGHT,
    )  # fmt: skip
    assert [r.signature for r in results] == [
        "", "wrong-value", "syntax-error", "missing-entry-point", "no-code", "KeyError",
        "exit", "",
    ]  # fmt: skip
    assert results[1].detail.endswith("at assert candidate([1, 2]) == 3")


@pytest.mark.slow
def test_no_candidate_can_make_itself_right() -> None:
    results = dict(zip(CHEATS, many(*CHEATS.values(), RIGHT), strict=False))
    passed = [name for name, result in results.items() if result.passed]
    assert passed == []


def test_plain_asserts_and_helpers_of_the_prompt() -> None:
    prompt = "import math\n\n\ndef half(x):\n    return x / 2\n\n\ndef total(xs):\n"
    (result,) = many(
        "    return half(sum(xs))",
        test="assert math.isclose(total([1, 2]), half(3))",
        prompt=prompt,
    )
    assert result.passed, result.detail


def test_tests_that_do_not_parse_are_refused() -> None:
    with pytest.raises(UsageError, match="test: Value error, does not parse: line 1"):
        many(RIGHT, test="assert (")


def predicate(answer: str, **spec: Any) -> CheckResult:
    return asyncio.run(
        validators()["predicate"].validate(answer, Check(kind="predicate", spec=spec))
    )


FACTORS = """
def accepts(value, n):
    a, b = value
    return a * b == n or f"{a} times {b} is not {n}"
"""


@pytest.mark.slow
def test_predicate_on_values_and_on_text() -> None:
    calls = {"entry_point": "split", "cases": [{"args": [12]}, {"args": [7]}], "predicate": FACTORS}
    assert predicate("def split(n): return [1, n]", **calls).passed
    wrong = predicate("def split(n): return [2, 6]", **calls)
    assert wrong.signature == "not-accepted"
    assert wrong.detail == "split(7) returned [2, 6]: 2 times 6 is not 7"
    assert predicate("def split(n): return 1 / 0", **calls).signature == "ZeroDivisionError"
    text = "def accepts(answer):\n    return answer.isupper()\n"
    assert predicate("YES", predicate=text).passed
    assert not predicate("no", predicate=text).passed


def test_the_candidate_never_meets_the_predicate() -> None:
    spy = "import sys\ndef split(n):\n    names = set(sys._getframe(1).f_globals) | set(globals())\n" \
          "    return [1, n] if 'accepts' in names else [0, 0]\n"  # fmt: skip
    calls = {"entry_point": "split", "cases": [{"args": [5]}], "predicate": FACTORS}
    assert not predicate(spy, **calls).passed


def test_a_spec_without_a_predicate_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="defines no function accepts"):
        predicate("x", predicate="x = 1")
    with pytest.raises(UsageError, match="give entry_point and cases together"):
        predicate("x", predicate=FACTORS, entry_point="f")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("six", "the answer: the predicate raised ValueError: invalid literal"),
        ("0", "the answer: the predicate raised ZeroDivisionError"),
        ("99", "the answer: the predicate left the program instead of returning"),
    ],
)
def test_an_answer_on_which_the_predicate_raises_is_not_accepted(answer: str, says: str) -> None:
    code = (
        "def accepts(answer):\n    if answer == '99': raise SystemExit\n"
        "    return 12 % int(answer) == 0"
    )
    result = predicate(answer, predicate=code)
    assert (result.passed, result.inconclusive, result.signature) == (False, False, "not-accepted")
    assert says in result.detail
    assert predicate("6", predicate=code).passed


def test_a_value_on_which_the_predicate_raises_is_not_accepted() -> None:
    calls = {"entry_point": "split", "cases": [{"args": [12]}], "predicate": FACTORS}
    result = predicate("def split(n): return None", **calls)
    assert result.refutes
    assert "split(12) returned None: the predicate raised TypeError" in result.detail


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "def accepts(answer): return accepts.x\nraise OSError",
        "def accepts(answer):\n  while 1: pass",
    ],
)
def test_a_predicate_that_cannot_judge_refutes_nothing(code: str) -> None:
    result = predicate("6", predicate=code)
    assert result.inconclusive
    assert "the predicate" in result.detail


@pytest.mark.slow
def test_references_pass_and_recorded_verdicts_agree() -> None:
    """A sample: `python -m scripts.research.measure_judges` does all of them."""
    problems = [json.loads(line) for line in shared("humaneval.jsonl").open()][:3]
    recorded = [json.loads(line) for line in shared("humaneval_model_answers.jsonl").open()]
    for row in problems:
        rows = [r for r in recorded if r["task_id"] == row["task_id"]]
        answers = {r["completion"]: r["passed"] for r in rows}
        problem = humaneval(row, 1, "test")
        texts = [row["canonical_solution"], *answers]
        results = asyncio.run(judge_many(BubblewrapSandbox(), texts, problem.hidden_checks[0]))
        assert [r.passed for r in results] == [True, *answers.values()]


def test_the_driver_needs_no_project() -> None:
    text = (Path("eval/validators/unit_driver.py")).read_text()
    assert "from eval" not in text
    assert "import eval" not in text
