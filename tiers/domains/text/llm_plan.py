"""The general decomposer: a model writes the plan as JSON, constrained by a schema where the server
can."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from specialists.backends.base import Message, Sampling
from specialists.registry import Card
from specialists.routing.roles import opening_role
from state.vectors import QUIET
from tiers.domains.function import wants_code
from tiers.memory.packs import pack_for
from tiers.model_calls import Origin
from tiers.prompts import chat
from tiers.protocol import Delegation, Plan, PlanError, PlanStep
from tiers.run_context import RunContext

MOST_STEPS = 32


_NAME = r"^[a-z][a-z0-9_]{0,30}$"


_LENIENT = ConfigDict(extra="ignore", json_schema_extra={"additionalProperties": False})
"""Schemas forbid further fields; where the server does not enforce this, further fields are
ignored."""


class _Step(BaseModel):
    model_config = _LENIENT

    name: str = Field(pattern=_NAME)
    objective: str = Field(min_length=1)
    inputs: list[str] = Field(default_factory=list)

    @field_validator("name", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return _normal(value)

    @field_validator("inputs", mode="before")
    @classmethod
    def _inputs_named(cls, value: object) -> object:
        if isinstance(value, list):
            return [_normal(each) for each in value]
        return [] if value is None else value


class _Plan(BaseModel):
    model_config = _LENIENT

    steps: list[_Step] = Field(min_length=1, max_length=MOST_STEPS)
    answer: str

    @field_validator("answer", mode="before")
    @classmethod
    def _answer_named(cls, value: object) -> object:
        return _normal(value)


SCHEMA: dict[str, Any] = _Plan.model_json_schema()
SCHEMA["$defs"]["_Step"]["required"] = ["name", "objective", "inputs"]
"""Strict schemas of endpoints have no optional fields; the parser accepts a step without
``inputs``."""

_PROMPT = """Split the problem below into the fewest steps that can each be done and checked alone.
Reply with one JSON object: {{"steps": [{{"name": "a", "objective": "…", "inputs": []}}, …],
"answer": "name of the step whose result is the final answer"}}. A name begins with a lower-case letter
and has only lower-case letters, digits and underscores. `inputs` are names of earlier steps.

Problem:
{statement}{known}"""


def _normal(name: object) -> object:
    """``name`` in the form of the pattern: "Day 1" becomes ``day_1``, 1 becomes ``step_1``; a value
    that is no name stays unchanged and is refused later."""
    if isinstance(name, bool) or not isinstance(name, str | int):
        return name
    plain = re.sub(r"[^a-z0-9]+", "_", str(name).strip("{} \t\n").lower()).strip("_")
    return f"step_{plain}" if plain[:1].isdigit() else plain


def read_plan(text: str, given: Iterable[str] = ()) -> _Plan:
    """The plan in a model's reply: the first JSON object that is a plan, whatever text surrounds
    it.

    Names are normalised; objectives refer to them as ``{name}``. Steps may build on earlier steps
    and on the names in ``given``. Raises ``ValueError`` with a message that a model can act on.
    """
    fault = ""
    for start in (match.start() for match in re.finditer(r"\{", text)):
        try:
            found, _ = json.JSONDecoder().raw_decode(text, start)
        except json.JSONDecodeError as error:
            fault = fault or f"the JSON cannot be read: {error.msg} at character {error.pos}"
            continue
        except RecursionError:
            break
        try:
            return _checked(found, given)
        except ValueError as error:
            if "steps" in found:  # This object was meant as the plan.
                raise
            fault = fault or str(error)
    raise ValueError(fault or "there is no JSON object in the reply")


def _checked(found: object, given: Iterable[str]) -> _Plan:
    try:
        plan = _Plan.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    known, seen = {*given}, set[str]()
    for step in plan.steps:
        if unknown := [n for n in step.inputs if n not in seen | known]:
            raise ValueError(f"step {step.name}: {unknown[0]!r} is not an earlier step")
        if step.name in seen:
            raise ValueError(f"two steps are named {step.name}")
        seen.add(step.name)
    if plan.answer not in seen:
        raise ValueError(f"answer: {plan.answer!r} is not a step")
    return plan


async def plan(context: RunContext, card: Card, number: int) -> Plan:
    """Ask ``card`` for a plan; a malformed plan is returned once with a description of the fault.

    Raises :class:`PlanError` when the second plan is malformed too, or the model's context is too
    short.
    """
    shown = await _shown(context, card, number)
    known = f"\n\nWhat is known already:\n{shown}" if shown else ""
    prompt = _PROMPT.format(statement=context.task.statement, known=known)
    steps, answer = await _asked(context, card, prompt, context.root_id, number)
    return Plan(
        steps=steps, answer={"": answer}, decomposer="llm",
        why=f"{len(steps)} steps by a general model",
    )  # fmt: skip


async def parts(
    context: RunContext, card: Card, order: Delegation
) -> tuple[tuple[PlanStep, ...], str]:
    """Ask ``card`` for the parts of a failed step, and for the name of the part that gives its
    result.

    Raises :class:`PlanError` where the model gives no parts.
    """
    known = "".join(f"\n{name}: {text}" for name, text in order.inputs.items())
    known = f"\n\nWhat is known already:{known}" if known else ""
    _, failed = context.outcomes()[order.id]
    if failed.fault:
        known += f"\n\nDone in one go, it failed: {failed.fault}"
    prompt = _PROMPT.format(statement=order.objective, known=known)
    steps, answer = await _asked(context, card, prompt, order.id, 0, given=order.inputs)
    if len(steps) < 2:
        raise PlanError("a general model splits it no further")
    return steps, answer


async def _asked(
    context: RunContext, card: Card, prompt: str, bead: str, number: int, given: Iterable[str] = ()
) -> tuple[tuple[PlanStep, ...], str]:
    """The steps that the model plans, and the name of the step that holds the answer. The model is
    asked once more where its reply is no plan. ``given`` are names that the steps may use as inputs
    too."""
    messages = chat(card, prompt)
    sampling = Sampling(
        max_tokens=1024, seed=context.seed * 1000 + number, json_schema=json.dumps(SCHEMA),
        temperature=0.0 if number == 0 else 0.6,
    )  # fmt: skip
    fault = ""
    for attempt in range(2):
        call = await context.caller(
            card, messages, Origin(bead, "architect", number, attempt), sampling
        )
        text = call.response
        try:
            found = read_plan(text, given)
        except ValueError as error:
            fault = str(error)
            messages = (
                *messages,
                Message(role="assistant", content=text),
                Message(role="user", content=f"That plan is not valid: {fault}. Send it again."),
            )
            continue
        return _steps(context, found, given, whole=bead == context.root_id), found.answer
    raise PlanError(f"the model's plan is not valid: {fault}")


async def _shown(context: RunContext, card: Card, number: int) -> str:
    """The context that the plan may build on; kept in a bead, so that a resumed run sends the same
    prompt."""
    key = f"{context.run_id}|pack|{number}"
    if given := context.find(key):
        return str(given.data["text"])
    pack = await pack_for(context, card, context.root, context.task.statement, objective=False)
    if pack is None or not pack.entries:
        return ""
    context.store.create(
        "decision", f"context of plan {number}: {len(pack.entries)} beads", key=key,
        parent=context.root_id, run_id=context.run_id, tier="architect", status="closed",
        labels=[QUIET], body="; ".join(f"{e.bead_id}: {e.why}" for e in pack.entries),
        data={"text": pack.text, "pack": [e.model_dump(exclude={"line"}) for e in pack.entries]},
    )  # fmt: skip
    return pack.text


def _steps(
    context: RunContext, found: _Plan, given: Iterable[str], *, whole: bool
) -> tuple[PlanStep, ...]:
    """The plan as steps; a step whose wording asks for a program is of kind ``code``.

    Each step receives what is given anyway, so ``given`` names are removed from its inputs.
    """
    names, known = {step.name for step in found.steps}, {*given}
    return tuple(
        PlanStep(
            name=step.name, kind=_kind(context, step, last=whole and step.name == found.answer),
            objective=_renamed(step.objective, names),
            inputs=tuple(n for n in dict.fromkeys(step.inputs) if n not in known - names),
        )
        for step in found.steps
    )  # fmt: skip


def _kind(context: RunContext, step: _Step, *, last: bool) -> str:
    code = (last and wants_code(context.task)) or opening_role(step.objective) == "code"
    return "code" if code else "text"


def _renamed(objective: str, names: set[str]) -> str:
    """``objective`` with ``{Day 1}`` as ``{day_1}``, where that is a step."""

    def name(match: re.Match[str]) -> str:
        normal = _normal(match[1])
        return f"{{{normal}}}" if normal in names else match[0]

    return re.sub(r"\{([^{}\n]{1,40})\}", name, objective)
