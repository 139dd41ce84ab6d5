"""The problem's public checks stand on the step that gives the answer, whatever the plan."""

from __future__ import annotations

import pytest

from tiers import acceptance
from tiers.domains import installed
from tiers.domains.function import judges_code, wants_code
from tiers.domains.story.derivation import Line, build_steps
from tiers.domains.text import stages
from tiers.protocol import Check, Plan, Task

EXACT = Check(kind="exact", spec={"expected": "3"})
CODE = Check(kind="class_ops", spec={"class_name": "A"})
TOLD = Check(kind="explanation", spec={})


def plan(lines: list[Line]) -> Plan:
    steps, answer = build_steps(lines)
    return Plan(steps=tuple(steps), answer={"": answer}, decomposer="learned", why="")


def accepted(made: Plan, checks: list[Check]) -> Plan:
    return acceptance.accepted(made, checks, installed())


def checks(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {step.name: tuple(c.kind for c in step.acceptance) for step in plan.steps}


def test_they_are_added_to_the_answer_s_own() -> None:
    made = plan([Line("Ana", None, "3", None, None), Line("Ana", None, "Ana", "+", "2"),
                 Line("answer", None, "Ana", None, None)])  # fmt: skip
    assert checks(accepted(made, [EXACT])) == {"s1": (), "s2": ("inverse", "exact")}
    assert accepted(made, []) is made
    assert accepted(accepted(made, [EXACT]), [EXACT]) == accepted(made, [EXACT])


def test_a_given_amount_that_is_the_answer_is_worked_out_and_checked() -> None:
    made = plan([Line("Ana", None, "3", None, None), Line("answer", None, "Ana", None, None)])
    (step,) = accepted(made, [EXACT]).steps
    assert (step.given, step.objective) == (None, "3 + 0")
    assert [c.kind for c in step.acceptance] == ["inverse", "exact"]


@pytest.mark.parametrize(
    ("check", "section"), [(EXACT, "solve"), (CODE, "code"), (TOLD, "explain")]
)
def test_of_sections_each_check_takes_the_one_it_judges(check: Check, section: str) -> None:
    made = stages("Solve 2x = 6, then explain why, and finally write code for it.")
    assert made is not None
    found = checks(accepted(made, [check]))
    assert found == {name: ((check.kind,) if name == section else ()) for name in found}


def test_a_check_that_runs_code_wants_code_whatever_the_problem_is_called() -> None:
    assert judges_code([EXACT, CODE])
    assert not judges_code([EXACT, TOLD])
    assert wants_code(Task(id="x", kind="text", statement="Do it.", public_checks=(CODE,)))
    assert not wants_code(Task(id="x", kind="text", statement="Do it.", public_checks=(EXACT,)))
