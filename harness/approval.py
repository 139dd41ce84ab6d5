"""Approval of a plan by a person: the plan as editable text, and the edited text back as beads."""

from __future__ import annotations

import yaml

from state.errors import UsageError
from tiers.run_context import RunContext


def plan_text(context: RunContext) -> str:
    """The open steps of the current plan as YAML: name → objective."""
    rows = {s.data["name"]: s.data["objective"] for s in context.steps()}
    return yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=1000)


def apply_answer(context: RunContext, text: str) -> None:
    """Write edited objectives back; names and order must stay.

    Raises ``UsageError`` naming the line or step that does not fit.
    """
    try:
        rows = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        raise UsageError(f"the edited plan is not YAML{line}") from None
    steps = {s.data["name"]: s for s in context.steps()}
    if not isinstance(rows, dict) or set(rows) != set(steps):
        raise UsageError(f"the edited plan must keep the steps {', '.join(steps)}")
    for name, objective in rows.items():
        step, text = steps[name], str(objective)
        if text == step.data["objective"]:
            continue
        data = {**step.data, "objective": text}
        given = step.data["given"]
        if fault := context.craft_of(step).misfit(text, list(step.data["inputs"]), given=given):
            raise UsageError(f"step {name}: {fault}")
        if given:
            data["artifact"] = text
        context.store.update(step.id, title=text, data=data)
    context.forget_steps()
