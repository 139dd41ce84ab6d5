"""Checks of text and numbers, and the extraction of code and answers."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.validators import answer_number, extract_code, strip_thoughts, validators
from state.errors import UsageError
from tiers.protocol import Check, CheckResult


def check(kind: str, artifact: str, **spec: Any) -> CheckResult:
    return asyncio.run(validators()[kind].validate(artifact, Check(kind=kind, spec=spec)))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", "42"),
        ("The total is 7 apples.", "7"),
        ("first 3, then 4", "4"),
        ("so we get 12.\n#### 1,234.50", "1234.5"),
        ("#### 5\nnot 6", "5"),
        ("Answer: 12 (that is 3 * 4)", "12"),
        ("Answer: 3*4 = 12", "12"),
        ("the answer is $-5.20.", "-5.2"),
        ("-$1,000,000", "-1000000"),
        ("$ 18", "18"),
        ("it fell by 25%", "25"),
        ("8 - 3", "3"),
        ("8-3", "3"),
        ("2-3=-1", "-1"),
        ("between 10–12", "12"),
        ("\u22127", "-7"),
        ("3/4", "3/4"),
        ("1e3", "1000"),
        ("1.5E-2", "3/200"),
        ("value .5", "1/2"),
        ("- 5 apples", "5"),
        ("**18**", "18"),
        (r"so \boxed{42} it is, as in step 3", "42"),
        ("<think>maybe 9</think> 8", "8"),
        ("#### none, but 4 before", "4"),
        ("Answer: yes. Total 3", "3"),
        ("#### 1\n#### 2", "2"),
        ("x2 = 5", "5"),
        ("version v1.2.3", None),
        ("", None),
        ("no number", None),
        ("1/0", None),
        ("<think>12", None),
        ("9" * 500, None),
        ("1e999999999", "999999999"),
    ],
)
def test_the_number_of_an_answer(text: str, number: str | None) -> None:
    found = answer_number(text)
    if text == "1e999999999":  # too large a power is not read as one, and takes no memory
        assert found is None or found < 10**10
    else:
        assert found == (None if number is None else Fraction(number))


@given(st.integers(-(10**12), 10**12))
def test_any_integer_is_found_with_and_without_commas(number: int) -> None:
    assert answer_number(f"so it is {number}.") == number
    assert answer_number(f"#### {number:,}\nbye 3") == number


@given(st.text())
def test_no_text_breaks_the_search(text: str) -> None:
    answer_number(text)
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
    assert not check("unordered", "a, a, b", expected=["a", "b"]).passed
    assert check("unordered", "", expected=[]).passed
    wrong = check("unordered", "a, c", expected=["a", "b"])
    assert wrong.detail == "the list is wrong: missing ['b'], not expected ['c']"
    assert not check("unordered", "[" * 100_000, expected=["a"]).passed


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
        ("numeric", {"expected": 1, "tol": -1}),
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
