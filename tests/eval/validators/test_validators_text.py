"""Checks of text and numbers, and the extraction of code and answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.validators import extract_code, strip_thoughts, validators
from eval.validators.text import AnyOfValidator
from eval.validators.verdict import inconclusive
from state.errors import UsageError
from tiers.protocol import Check, CheckResult


def check(kind: str, artifact: str, **spec: Any) -> CheckResult:
    return asyncio.run(validators()[kind].validate(artifact, Check(kind=kind, spec=spec)))


@given(st.text())
def test_no_text_breaks_the_search(text: str) -> None:
    extract_code(text, "f")


def test_numeric() -> None:
    assert check("numeric", "0.1", expected=0.1).passed
    assert check("numeric", "18.00", expected=18).passed
    assert check("numeric", "#### 18", expected="$18").passed
    assert not check("numeric", "18.01", expected=18).passed
    assert check("numeric", "18.01", expected=18, tol=0.01).passed
    assert not check("numeric", "18.011", expected=18, tol=0.01).passed
    wrong = check("numeric", "I say 3", expected=4)
    assert (wrong.signature, wrong.detail) == ("wrong-value", "the answer is 3, expected 4")
    assert check("numeric", "none", expected=4).signature == "no-number"
    assert check("numeric", r"\boxed{\frac{3}{4}}", expected=3).signature == "wrong-value"
    assert check("numeric", r"\boxed{3\sqrt{2}}", expected=3).signature == "no-number"
    assert check("numeric", "12%", expected=12).passed
    assert not check("numeric", "12%", expected=0.12).passed
    big = 10**30 + 1
    assert check("numeric", f"#### {big:,}", expected=big).passed
    assert not check("numeric", f"#### {big:,}", expected=big - 1).passed


def test_exact() -> None:
    assert check("exact", "  a  b\n", expected="a b").passed
    assert not check("exact", "a  b", expected="a b", ignore_space=False).passed
    assert check("exact", "Straße", expected="STRASSE", ignore_case=True).passed
    wrong = check("exact", "A\n\ud800", expected="a")
    assert wrong.signature == "wrong-value"
    assert wrong.detail == r"the answer is 'A\n\ud800', expected 'a'"
    assert wrong.model_dump_json()


def test_unordered() -> None:
    for answer in ("b, a", '["b", "a"]', "- b\n- a", "1. a\n2. b\n", "['a', 'b']", "a; b"):
        assert check("unordered", answer, expected=["a", "b"]).passed, answer
    assert check("unordered", "2.0, 1", expected=[1, 2]).passed
    assert check("unordered", "½, 1,000", expected=[1000, 0.5]).passed
    assert check("unordered", "2.50; 1/2", expected=["0.5", 2.5]).passed
    assert not check("unordered", "2 kg, 1", expected=[1, 2]).passed
    assert not check("unordered", "a, a, b", expected=["a", "b"]).passed
    assert check("unordered", "", expected=[]).passed
    wrong = check("unordered", "a, c", expected=["a", "b"])
    assert wrong.detail == "the list is wrong: missing ['b'], not expected ['c']"
    assert not check("unordered", "[" * 100_000, expected=["a"]).passed


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("1, 2,3", [1, 2, 3]),
        ("1,2, 3", [1, 2, 3]),
        ("1 , 2,3,4,5", [1, 2, 3, 4, 5]),
        ("10, 200,300", [10, 200, 300]),
        ("10, 200,300", [10, 200300]),
        ("1,000, 2,3", [1000, 2, 3]),
        ("1,234", [1234]),
        ("1,234", [1, 234]),
        ("12,34,567, -1,-2", [1234567, -1, -2]),
        ("1, 2,\n3,4", [1, 2, 3, 4]),
        ("['a',\n'b']", ["a", "b"]),
        ("(1, 2,3)", [1, 2, 3]),
        ("{b,a}", ["a", "b"]),
        ("(a), (b)", ["(a)", "(b)"]),
    ],
)
def test_commas_between_items_and_in_numbers(answer: str, expected: list[str | int]) -> None:
    result = check("unordered", answer, expected=expected)
    assert result.passed, result.detail
    assert not check("unordered", answer, expected=[*expected, 7]).passed
    assert not check("unordered", answer, expected=[*expected[:-1], 7]).passed


def test_any_of() -> None:
    checks = [
        {"kind": "numeric", "spec": {"expected": 3}},
        {"kind": "exact", "spec": {"expected": "three"}},
    ]
    assert check("any_of", "three", checks=checks).passed
    assert check("any_of", "it is 3", checks=checks).passed
    wrong = check("any_of", "4", checks=checks)
    assert wrong.signature == "wrong-value"
    assert "none of 2 alternatives" in wrong.detail


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("numeric", {}),
        ("numeric", {"expected": "many"}),
        ("numeric", {"expected": "3 or 4"}),
        ("numeric", {"expected": 1, "tol": -1}),
        ("numeric", {"expected": 1, "tol": float("inf")}),
        ("numeric", {"expected": 1, "tolerance": 1}),
        ("numeric", {"expected": float("nan")}),
        ("exact", {"expected": 3}),
        ("unordered", {"expected": "a"}),
        ("any_of", {"checks": []}),
        ("any_of", {"checks": [{"kind": "nonsense"}]}),
        ("any_of", {"checks": [{"kind": "exact", "spec": {}}]}),
        ("any_of", {"checks": [{"kind": ["exact"]}]}),
        ("function", {"entry_point": "f", "cases": []}),
        ("function", {"entry_point": "f", "cases": [{"args": []}]}),
        ("function", {"entry_point": "f", "cases": [{"args": 3, "expected": 3}]}),
        ("function", {"entry_point": "f", "cases": [{"args": [object()], "expected": 3}]}),
        ("stdio", {"cases": [{"stdin": "a"}]}),
        ("class_ops", {"class_name": "A", "operations": ["A"], "args": [], "expected": []}),
        ("class_ops", {"class_name": "A", "operations": ["b"], "args": [[]], "expected": [None]}),
        ("program_value", {"expected": None}),
    ],
)
def test_a_malformed_spec_is_a_usage_error(kind: str, spec: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"check '\w+': \w+"):
        check(kind, "1", **spec)


def test_every_kind_has_its_validator() -> None:
    registry = validators()
    assert set(registry) == {
        *("exact", "numeric", "unordered", "any_of"),
        *("function", "stdio", "class_ops", "program_value", "explanation"),
        *("unit_test", "predicate"),
    }
    assert all(kind in registry[kind].kinds for kind in registry)


F, G = "def f(x):\n    return x\n", "def g(x):\n    return x\n"


@pytest.mark.parametrize(
    ("text", "entry", "code"),
    [
        (F, None, F),
        (f"```python\n{F}```", None, F),
        (f"Here:\n```py title=a.py\n{F}```\nDone.", "f", F),
        (f"```{{.python .numberLines}}\n{F}```\n```text\nout\n```", None, F),
        (f"```python\n{F}```\nand\n```python\n{G}```", None, G),
        (f"```python\n{F}```\nand\n```python\n{G}```", "f", F),
        (f"```python\n{F}```\n```python\nf = 3\n```\nuse:\n```\nf(3)\n```", "f", "f = 3\n"),
        (f"```python\n{F}", "f", F),
        (f"~~~~python\n{F}~~~~", "f", F),
        (f"````\n{F}```\n````", "f", F + "```\n"),
        (f"  ```python\n  {F.replace(chr(10), chr(10) + '  ').strip()}\n  ```", "f", F),
        (f"<think>```python\n{G}```</think>```python\n{F}```", None, F),
        (f"so </think>\n{F}", None, "\n" + F),
        (f"```\n{F}```", "h", F),
        (f"```bash\nls\n```\n```python\n{F}```\n```json\n1\n```", None, F),
        ("```json\n1\n```", None, "1\n"),
        (
            "```python\nclass A:\n    def f(self): pass\n```\n```\nx\n```",
            "f",
            "class A:\n    def f(self): pass\n",
        ),
        ("", None, None),
        ("  \n", None, None),
        ("```python\n```", None, None),
        (f"<think>{F}", None, None),
    ],
)
def test_the_code_of_an_answer(text: str, entry: str | None, code: str | None) -> None:
    assert extract_code(text, entry) == code


def test_thoughts() -> None:
    assert strip_thoughts("<think>a</think>b<THINKING>c</THINKING>d") == "bd"
    assert strip_thoughts("a</think>b") == "b"
    assert strip_thoughts("a<think>b") == "a"


def test_any_of_with_an_alternative_that_cannot_decide() -> None:
    class Doubtful:
        kinds = frozenset({"numeric"})

        async def validate(self, artifact: str, check: Check) -> CheckResult:
            return inconclusive(check, "no-sandbox", "no idea")

    either = AnyOfValidator({**validators(), "numeric": Doubtful()})
    inner = [
        {"kind": "numeric", "spec": {"expected": 3}},
        {"kind": "exact", "spec": {"expected": "b"}},
    ]
    check = Check(kind="any_of", spec={"checks": inner})
    assert asyncio.run(either.validate("b", check)).passed
    doubtful = asyncio.run(either.validate("c", check))
    assert doubtful.inconclusive
    assert "no idea" in doubtful.detail
