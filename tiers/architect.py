"""The architect: turns the problem into a plan of step beads, by the cheapest decomposer that applies.

Rules split a request into its stages, a story into sentences and an expression into operations; the
``decompose`` specialist turns sentences into operations, checked window by window against an
independent derivation; a general model writes a JSON plan. Whatever the plan, the problem's public
checks stand on the step that gives its answer. A plan is written to the store in one transaction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from specialists.registry import Card
from state import Bead, Dependency, RequestRefused, keyed_id
from tiers import llm_plan, scope, splitter
from tiers.acceptance import accepted, wants_code
from tiers.derivation import NoPlan, PlanError
from tiers.expression import expression_steps
from tiers.protocol import Check, Plan, PlanStep, StepKind
from tiers.room import Room
from tiers.segments import labels, segment
from tiers.story import StoryReader, code_step, explain_step


class Architect:
    """Plans for one run."""

    def __init__(self, room: Room) -> None:
        self.room = room

    async def plan(self, mode: str, number: int) -> Plan:
        """Make plan ``number`` and write it. ``mode`` is ``direct`` or ``plan``.

        Raises :class:`tiers.derivation.PlanError` when no decomposer finds one.
        """
        whole = mode == "direct" or "decomposition" in self.room.without
        plan = self._direct("one call may do") if whole else await self._decompose(number)
        self._write(accepted(plan, self.room.task.public_checks), number)
        return plan

    def _direct(self, why: str) -> Plan:
        """The whole problem as one step."""
        room, task = self.room, self.room.task
        checks = list(task.public_checks)
        kind: StepKind = "text"
        if wants_code(task):
            kind = "code"
        elif scope.story_of(task) is not None:
            kind = "solve"
            # Public checks decide: a second derivation could only speak against them.
            if not checks and room.strategy != "direct" and room.card("code"):
                checks.append(Check(kind="cross"))
        elif _asks_for_code_alone(task.statement):
            kind = "code"
        step = PlanStep(name="all", kind=kind, objective=task.statement, acceptance=tuple(checks))
        return Plan(steps=(step,), answer={"": "all"}, decomposer="direct", why=why)

    async def _decompose(self, number: int) -> Plan:
        room, task = self.room, self.room.task
        card, general = room.card("decompose"), room.card("general")
        routine = room.routine() if number == 0 else None
        if routine and routine["decomposer"] == "llm" and general:
            return await self._by_model(general, number)
        if card and (story := scope.story_of(task)):
            try:
                return await self._story(card, story, number)
            except NoPlan as fault:
                if general is None:
                    raise NoPlan(scope.unreadable(room.fleet, str(fault))) from None
        elif scope.operations(task, room.fleet):
            steps, answer = expression_steps(task.statement)
            why = f"{len(steps)} operations by precedence"
            return Plan(steps=tuple(steps), answer={"": answer}, decomposer="rules", why=why)
        # Public checks judge one answer, and a program is one answer: sections are neither.
        whole = task.public_checks or wants_code(task)
        if not whole and (sequence := stages(task.statement)):
            return sequence
        if general:
            return await self._by_model(general, number)
        return self._direct("nothing in the fleet can decompose it")

    async def _by_model(self, card: Card, number: int) -> Plan:
        """The plan of a general model; one direct call where it cannot write one."""
        try:
            return await llm_plan.plan(self.room, card, number)
        except (PlanError, RequestRefused) as fault:
            return self._direct(f"one call for the whole problem: {fault}")

    async def _story(self, card: Card, story: str, number: int) -> Plan:
        """Operations of the story, and the stages that the request asks for beside its answer."""
        request = splitter.read_request(self.room.task.statement)
        parts = splitter.sentences(story)
        steps, answer, checks = await StoryReader(self.room, card, number).read(parts)
        wanted = request.stages if request else ("solve",)
        final = {"solve" if request else "": answer}
        steps = list(steps)
        if "explain" in wanted:
            steps.append(explain_step(steps, answer))
            final["explain"] = "explain"
        if "code" in wanted:
            steps.append(code_step(story, answer))
            final["code"] = "code"
        why = f"{len(steps)} steps from {len(parts)} sentences"
        return Plan(steps=tuple(steps), answer=final, decomposer="learned", why=why, checks=checks)

    def _write(self, plan: Plan, number: int) -> None:
        """Steps, their dependencies and the plan's decision bead; verified work is carried over."""
        room, store = self.room, self.room.store
        remembers = number > 0 and "memory" not in room.without
        done = _verified(room.steps()) if remembers else {}
        public = room.task.public_checks
        key_of = {s.name: f"{room.run_id}|plan{number}|{s.name}" for s in plan.steps}
        beads, edges, signatures = [], [], dict[str, str]()
        for step in plan.steps:
            signatures[step.name] = signature = _signature(step, signatures)
            judged = any(check in public for check in step.acceptance)
            known = None if judged else done.get(signature)  # It was verified without these checks.
            artifact = step.given if step.given is not None else known
            beads.append(
                Bead(
                    key=key_of[step.name], kind="step", title=step.objective, parent=room.root_id,
                    run_id=room.run_id, tier="architect",
                    status="open" if artifact is None else "closed",
                    close_reason="given" if step.given is not None else
                    ("carried over" if artifact is not None else None),
                    data={
                        "plan": number, "name": step.name, "kind": step.kind,
                        "objective": step.objective, "signature": signature,
                        "inputs": {n: keyed_id(key_of[n]) for n in step.inputs},
                        "acceptance": [json.loads(c.model_dump_json()) for c in step.acceptance],
                        "given": step.given is not None, "artifact": artifact,
                        "outcome": None if artifact is None else "verified", "meta": step.meta,
                    },
                )
            )  # fmt: skip
            edges += [
                Dependency(from_id=key_of[step.name], to_id=key_of[n], type="blocks")
                for n in step.inputs
            ]
        beads.append(
            Bead(
                key=f"{room.run_id}|plan{number}", kind="decision", parent=room.root_id,
                title=f"plan {number}: {plan.why}", run_id=room.run_id, tier="architect",
                status="closed", body="; ".join(c.detail for c in plan.checks),
                data={
                    "decomposer": plan.decomposer, "checks": [c.model_dump() for c in plan.checks],
                    "answer": {s: keyed_id(key_of[n]) for s, n in plan.answer.items()},
                },
            )
        )  # fmt: skip
        root = room.root
        store.create_many(beads, edges, {root.id: {"data": {**root.data, "plan": number}}})
        room.plan = number
        room.emit_plan(plan.decomposer, plan.why)


def stages(statement: str) -> Plan | None:
    """The segments of a request as steps in order, each building on all before it.

    ``None`` when it asks for fewer than two things.
    """
    parts = segment(statement)
    if len(parts) < 2:
        return None
    sections = labels(parts)
    names = [section.replace(" ", "_") for section in sections]
    steps = tuple(
        PlanStep(
            name=name, kind="code" if part.label == "code" else "text", objective=part.text,
            inputs=tuple(names[:k]), meta={"role": part.label},
        )
        for k, (name, part) in enumerate(zip(names, parts, strict=True))
    )  # fmt: skip
    return Plan(
        steps=steps, answer=dict(zip(sections, names, strict=True)), decomposer="rules",
        why=f"the request has {len(steps)} segments: {', '.join(sections)}",
    )  # fmt: skip


def _asks_for_code_alone(statement: str) -> bool:
    return [part.label for part in segment(statement)] == ["code"]


def _signature(step: PlanStep, before: dict[str, str]) -> str:
    """The step's work with its inputs spelled out: equal signatures have equal artifacts."""
    body = re.sub(r"\{(\w+)\}", lambda m: f"({before.get(m[1], m[1])})", step.objective)
    return f"{step.kind}:{body}" if len(body) < 400 else f"{step.kind}:{hash_text(body)}"


def hash_text(text: str) -> str:
    """Short stable digest of a text."""
    from hashlib import blake2b

    return blake2b(text.encode(), digest_size=12).hexdigest()


def _verified(steps: Sequence[Bead]) -> dict[str, str]:
    return {
        b.data["signature"]: b.data["artifact"]
        for b in steps
        if b.data.get("outcome") == "verified" and b.data["kind"] == "math"
    }
