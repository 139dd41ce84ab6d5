"""The problem's public checks on the plan: whatever the plan, they hold for the step that answers."""

from __future__ import annotations

from collections.abc import Sequence

from tiers.protocol import Check, Plan, PlanStep, Task

RUNS_CODE = frozenset({"function", "class_ops", "stdio", "program_value", "unit_test"})
"""Kinds of checks that run the answer as a program; see ``eval.validators``."""
_EXPLAINS = frozenset({"explanation"})


def judges_code(checks: Sequence[Check]) -> bool:
    """Whether a program is what the checks want."""
    return any(check.kind in RUNS_CODE for check in checks)


def wants_code(task: Task) -> bool:
    """Whether the answer to the problem is a program."""
    return task.kind == "code" or judges_code(task.public_checks)


def accepted(plan: Plan, checks: Sequence[Check]) -> Plan:
    """``plan`` with the public checks on its answer: on the step that gives it, or, where it has
    sections, each on the section that such a check judges."""
    missing: dict[str, list[Check]] = {}
    acceptance = {step.name: step.acceptance for step in plan.steps}
    for check in checks:
        name = _judged(plan, check)
        if check not in acceptance[name]:
            missing.setdefault(name, []).append(check)
    if not missing:
        return plan
    steps = tuple(
        _checked(step, missing[step.name]) if step.name in missing else step for step in plan.steps
    )
    return plan.model_copy(update={"steps": steps})


def _judged(plan: Plan, check: Check) -> str:
    """Name of the step whose artifact the check judges."""
    role = "code" if check.kind in RUNS_CODE else "explain" if check.kind in _EXPLAINS else "solve"
    return plan.answer.get(role) or next(iter(plan.answer.values()))


def _checked(step: PlanStep, checks: Sequence[Check]) -> PlanStep:
    """The step with further checks; a given amount becomes a step, since nobody checks a given one."""
    update: dict[str, object] = {"acceptance": (*step.acceptance, *checks)}
    if step.given is not None:
        inverse = Check(kind="inverse")
        objective = f"{step.given} + 0"
        update = {"objective": objective, "given": None, "acceptance": (inverse, *checks)}
    return step.model_copy(update=update)
