"""Splits typed arithmetic expressions into chains of single operations.

The order of the operations follows from the grammar, so no model is asked for it. Each operation is
a step, and nothing here computes a value.
"""

from __future__ import annotations

import ast
import re

from tiers.domains.story.operations import operation_step
from tiers.protocol import PlanStep

_LEAD = re.compile(
    r"\s*(?:please\s+)?(?:(?:what(?:'s| is)|how much is|calculate|compute|evaluate|work out|solve)\b"
    r"\s*:?)?\s*",
    re.I,
)
_TAIL = re.compile(r"\s*(?:=\s*)?[?.!]*\s*$")
_ARITHMETIC = re.compile(r"[\d()+*/ -]+")
_SIGNS = str.maketrans({"×": "*", "x": "*", "X": "*", "·": "*", "÷": "/", "−": "-", "–": "-"})
_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/",
}  # fmt: skip
LONGEST = 1000
"""Most characters of an expression that is read: its tree is as deep as it has operations."""


def is_expression(text: str) -> bool:
    """Whether ``text`` is an expression of whole numbers, perhaps asked for as a question."""
    return _tree(text) is not None


def expression_steps(text: str) -> tuple[list[PlanStep], str]:
    """One step for each operation, in the order that brackets and precedence give, and the name of
    the last. Raises ValueError for anything but an expression."""
    tree = _tree(text)
    if tree is None:
        raise ValueError(f"{text!r} is not an arithmetic expression")
    steps: list[PlanStep] = []

    def operand(node: ast.expr) -> str:
        if isinstance(node, ast.Constant):
            return str(node.value)
        assert isinstance(node, ast.BinOp)
        left, right = operand(node.left), operand(node.right)
        objective = f"{left} {_OPERATORS[type(node.op)]} {right}"
        name = f"s{len(steps) + 1}"
        steps.append(operation_step(name, objective))
        return "{" + name + "}"

    operand(tree)
    return steps, steps[-1].name


def _tree(text: str) -> ast.BinOp | None:
    if len(text) > LONGEST:
        return None
    lead = _LEAD.match(text)
    body = _TAIL.sub("", text[lead.end() if lead else 0 :]).translate(_SIGNS)
    if not _ARITHMETIC.fullmatch(body):
        return None
    try:
        tree = ast.parse(body.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    fits = all(
        isinstance(node, ast.BinOp | ast.operator)
        if not isinstance(node, ast.Constant)
        else isinstance(node.value, int)
        for node in ast.walk(tree)
    )
    known = all(type(n.op) in _OPERATORS for n in ast.walk(tree) if isinstance(n, ast.BinOp))
    return tree if isinstance(tree, ast.BinOp) and fits and known else None
