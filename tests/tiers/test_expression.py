"""Arithmetic expressions, as they are typed, become one step an operation."""

from __future__ import annotations

import ast
import operator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiers.crafts import fill
from tiers.domains.story.expression import expression_steps, is_expression

APPLY = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


def value(text: str) -> Fraction:
    """The value that the steps of an expression give."""
    steps, answer = expression_steps(text)
    known: dict[str, str] = {}
    for step in steps:
        assert set(step.inputs) <= set(known)
        a, op, b = fill(step.objective, known).split()
        known[step.name] = str(APPLY[op](Fraction(a), Fraction(b)))
    return Fraction(known[answer])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("12*(3+4)=?", 84), ("12 + 7", 19), ("What is 12 + 7?", 19), ("9 - 4 * 2 + 1", 2),
        ("12 × 3 ÷ 4", 9), ("((12 + 3) * 2) - 5", 25), ("100 - 10 - 1", 89), ("3 x 4 =", 12),
        ("Please compute 8 / 2 / 2.", 2), ("(((1+2)))", 3),
    ],
)  # fmt: skip
def test_operations_follow_brackets_and_precedence(text: str, wanted: int) -> None:
    assert value(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["12", "-3 + 5", "2 ** 3", "7 // 2", "(1 + 2", "1 2", "3.5 + 1", "1 + 2 = 3", "Ana has 3 + 4 pens",
     "", "()", "+", "1+" * 2000 + "1", "(" * 500 + "1", "1_0 + 2", "٣ + ٤"],
)  # fmt: skip
def test_anything_else_is_none(text: str) -> None:
    assert not is_expression(text)
    with pytest.raises(ValueError, match="is not an arithmetic expression"):
        expression_steps(text)


trees = st.recursive(
    st.integers(0, 999).map(str),
    lambda below: st.tuples(below, st.sampled_from("+-*"), below).map(lambda t: f"({' '.join(t)})"),
    max_leaves=12,
)


@pytest.mark.slow
@given(trees)
def test_the_steps_come_to_what_the_expression_does(text: str) -> None:
    if isinstance(ast.parse(text, mode="eval").body, ast.Constant):
        assert not is_expression(text)
    else:
        assert value(text) == eval(text)
