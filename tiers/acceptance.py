"""Puts the problem's public checks on the steps of a plan that give the answer."""

from __future__ import annotations

from collections.abc import Sequence

from tiers.answer import RESULT
from tiers.domains import Domains
from tiers.protocol import Check, Plan, PlanStep


def accepted(plan: Plan, checks: Sequence[Check], domains: Domains) -> Plan:
    """``plan`` with the public checks added to the step that gives the answer; where the answer has
    sections, each check is added to the step of the section that it judges."""
    missing: dict[str, list[Check]] = {}
    acceptance = {step.name: step.acceptance for step in plan.steps}
    for check in checks:
        section = domains.judges.get(check.kind, RESULT)
        name = plan.answer.get(section) or next(iter(plan.answer.values()))
        if check not in acceptance[name]:
            missing.setdefault(name, []).append(check)
    if not missing:
        return plan
    steps = tuple(
        _checked(step, missing[step.name], domains) if step.name in missing else step
        for step in plan.steps
    )
    return plan.model_copy(update={"steps": steps})


def _checked(step: PlanStep, checks: Sequence[Check], domains: Domains) -> PlanStep:
    """The step with further checks added. A given artifact becomes one that has to be worked out,
    because given artifacts are not checked."""
    if step.given is not None:
        step = domains.craft(step.kind, step.meta).worked(step)
    return step.model_copy(update={"acceptance": (*step.acceptance, *checks)})
