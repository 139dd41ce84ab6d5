"""The general decomposer: a model writes the plan as JSON, under a schema where the server can."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from specialists.backends.base import Message, Sampling
from specialists.registry import Card
from state.vectors import QUIET
from tiers.calls import Origin
from tiers.context import pack_for
from tiers.derivation import PlanError
from tiers.protocol import Plan, PlanStep
from tiers.room import Room, chat

MOST_STEPS = 32


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")
    objective: str = Field(min_length=1)
    inputs: list[str] = Field(default_factory=list)


class _Plan(BaseModel):
    model_config = ConfigDict(extra="forbid")

    steps: list[_Step] = Field(min_length=1, max_length=MOST_STEPS)
    answer: str


SCHEMA: dict[str, Any] = _Plan.model_json_schema()

_PROMPT = """Split the problem below into the fewest steps that can each be done and checked alone.
Reply with one JSON object: {{"steps": [{{"name": "a", "objective": "…", "inputs": []}}, …],
"answer": "name of the step whose result is the final answer"}}. `inputs` are names of earlier steps.

Problem:
{statement}{known}"""


def read_plan(text: str) -> _Plan:
    """The plan in a model's reply. Raises ``ValueError`` in words a model can act on."""
    match = re.search(r"\{.*\}", text, re.S)
    if not match:
        raise ValueError("there is no JSON object in the reply")
    try:
        plan = _Plan.model_validate_json(match[0])
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    seen: set[str] = set()
    for step in plan.steps:
        if unknown := [n for n in step.inputs if n not in seen]:
            raise ValueError(f"step {step.name}: {unknown[0]!r} is not an earlier step")
        if step.name in seen:
            raise ValueError(f"two steps are named {step.name}")
        seen.add(step.name)
    if plan.answer not in seen:
        raise ValueError(f"answer: {plan.answer!r} is not a step")
    return plan


async def plan(room: Room, card: Card, number: int) -> Plan:
    """Ask ``card`` for a plan; a malformed one is sent back once with what is wrong.

    Raises :class:`PlanError` when the second is malformed too.
    """
    context = await _context(room, card, number)
    known = f"\n\nWhat is known already:\n{context}" if context else ""
    messages = chat(card, _PROMPT.format(statement=room.task.statement, known=known))
    sampling = Sampling(
        max_tokens=1024, seed=room.seed * 1000 + number, json_schema=json.dumps(SCHEMA),
        temperature=0.0 if number == 0 else 0.6,
    )  # fmt: skip
    fault = ""
    for attempt in range(2):
        call = await room.caller(
            card, messages, Origin(room.root_id, "architect", number, attempt), sampling
        )
        text = call.response
        try:
            found = read_plan(text)
        except ValueError as error:
            fault = str(error)
            messages = (
                *messages,
                Message(role="assistant", content=text),
                Message(role="user", content=f"That plan is not valid: {fault}. Send it again."),
            )
            continue
        return _as_plan(room, found)
    raise PlanError(f"the model's plan is not valid: {fault}")


async def _context(room: Room, card: Card, number: int) -> str:
    """What the plan may build on; kept in a bead, so that a resumed run asks in the same words."""
    key = f"{room.run_id}|pack|{number}"
    if given := room.find(key):
        return str(given.data["text"])
    pack = await pack_for(room, card, room.root, objective=False)
    if pack is None or not pack.entries:
        return ""
    room.store.create(
        "decision", f"context of plan {number}: {len(pack.entries)} beads", key=key,
        parent=room.root_id, run_id=room.run_id, tier="architect", status="closed",
        labels=[QUIET], body="; ".join(f"{e.bead_id}: {e.why}" for e in pack.entries),
        data={"text": pack.text, "pack": [e.model_dump(exclude={"line"}) for e in pack.entries]},
    )  # fmt: skip
    return pack.text


def _as_plan(room: Room, found: _Plan) -> Plan:
    kind = "code" if room.task.kind == "code" else "text"
    steps = []
    for step in found.steps:
        last = step.name == found.answer
        steps.append(
            PlanStep(
                name=step.name, kind="code" if last and kind == "code" else "text",
                objective=step.objective, inputs=tuple(step.inputs),
                acceptance=room.task.public_checks if last else (),
            )
        )  # fmt: skip
    return Plan(
        steps=tuple(steps), answer={"": found.answer}, decomposer="llm",
        why=f"{len(steps)} steps by a general model",
        )  # fmt: skip
