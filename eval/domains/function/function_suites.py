"""The suite of small functions, from the held-out split of their generator."""

from __future__ import annotations

import random
import re
from typing import Any

from eval.domains.evaluation import Suite
from eval.problems import Problem
from specialists.pocket.functions import FunctionTask, draw_function
from tiers.protocol import Check

_EDGES: dict[str, tuple[Any, ...]] = {
    "list": ([], [0], [7, 7, -7, -7], [-5, -12, -30], [60, 1, 59, 2, 58, 3]),
    "text": ("", " ", "noon", "A Toe otA ", "no na  ne"),
    "number": (0, 1, -1, 10, -9999),
}


def _pocket_code(number: int) -> Problem:
    rng = random.Random(f"pocket-code|{number}")
    while True:
        task = draw_function(rng, rng.randint(2, 4), test=True)
        public, hidden = _cases(rng, task)
        if _telling(public) and _telling(hidden):
            break
    name = task.entry_point
    return Problem(
        id=f"pocket-code/{number}",
        kind="code",
        statement=task.prompt,
        entry_point=name,
        signature=task.solution.splitlines()[0].removeprefix("def ").removesuffix(":"),
        public_checks=(Check(kind="function", spec={"entry_point": name, "cases": public}),),
        hidden_checks=(Check(kind="function", spec={"entry_point": name, "cases": hidden}),),
        checker="function",
        meta={
            "suite": "pocket-code",
            "number": number,
            "operations": len(task.operations),
            "combination": task.combination,
        },
    )


def _cases(
    rng: random.Random, task: FunctionTask
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Three public and eight hidden calls, without repeated arguments, edge cases among the
    hidden."""
    edges = rng.sample(_EDGES[task.takes], 4)
    hidden = [{"args": [edge], "expected": task.expected(edge)} for edge in edges]
    seen, drawn = {repr(case["args"]) for case in hidden}, list[dict[str, Any]]()
    while len(drawn) < 7:
        (case,) = task.cases(rng, 1)
        if repr(case["args"]) not in seen and case["args"][0] not in ([], "", 0):
            seen.add(repr(case["args"]))
            drawn.append(case)
    return drawn[:3], hidden + drawn[3:]


def _telling(cases: list[dict[str, Any]]) -> bool:
    """Whether the cases reject every constant result."""
    return len({repr(case["expected"]) for case in cases}) > 1


def _problem(id: str) -> Problem | None:
    return _pocket_code(int(id)) if re.fullmatch(r"[0-9]{1,9}", id) else None


SUITES = {
    "pocket-code": Suite(
        about="pocket-code/K: a Python function of 2 to 4 operations, to be written",
        problem=_problem,
    )
}
