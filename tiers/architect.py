"""The architect: turns the problem into a plan of step beads.

The domains that recognise the problem decompose it, the surest domain first. In every plan, the
problem's public checks are on the step that gives the answer. A plan is written to the store in one
transaction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from state import Bead, Dependency, keyed_id
from tiers import parts
from tiers.acceptance import accepted
from tiers.domains import whole
from tiers.protocol import Plan, PlanError, PlanStep
from tiers.run_context import RunContext


class Architect:
    """Makes the plans of one run."""

    def __init__(self, context: RunContext) -> None:
        self.context = context

    async def plan(self, mode: str, number: int) -> Plan:
        """Make plan ``number`` and write it. ``mode`` is ``direct`` or ``plan``.

        Raises :class:`tiers.protocol.PlanError` when no domain finds a plan.
        """
        context = self.context
        if mode == "direct" or "decomposition" in context.without:
            plan = whole(context, "one call may do")
        else:
            plan = await self._decompose(number)
        self._write(accepted(plan, context.task.public_checks, context.domains), number)
        return plan

    async def _decompose(self, number: int) -> Plan:
        """The plan of the first domain that finds one."""
        context = self.context
        for domain in context.domains.ranked(context.task, context.fleet):
            if (plan := await domain.decompose(context, number)) is not None:
                return plan
        return whole(context, "nothing in the fleet can decompose it")

    async def take_apart(self, ids: Sequence[str]) -> bool:
        """Write the next parts of each of these steps, or the artifact that its parts make
        together.

        A step waits for its parts, which stand below an epic of their own. Returns whether all
        steps have parts that fit together; a step without such parts records why.
        """
        return all([await self._take_apart(self.context.store.get(id)) for id in ids])

    async def _take_apart(self, step: Bead) -> bool:
        context = self.context
        order = parts.failed_order(context, step)
        done = parts.done(context.steps(), step)
        results = {part.data["part"]: str(part.data["artifact"]) for part in done}
        try:
            found = await context.craft_of(step).take_apart(context, order, results)
            refusal = "it has no parts"
        except PlanError as fault:
            found, refusal = None, str(fault)
        if found and found.artifact is None and {p.name for p in found.steps} <= results.keys():
            found, refusal = None, "it has no further parts"
        change = parts.progress(step, done, found, refusal)
        epic = parts.epic(context, step, order)
        beads, edges = [], []
        if found is not None and found.artifact is None:
            beads, edges = [epic], [Dependency(from_id=step.id, to_id=epic.id, type="blocks")]
            for part in found.steps:
                beads.append(parts.bead(context, step, epic, part))
                edges += [
                    Dependency(from_id=beads[-1].key or "", to_id=id, type="blocks")
                    for id in beads[-1].data["inputs"].values()
                    if id not in step.data["inputs"].values()
                ]
        changes = {step.id: change}
        if done and not beads:
            why = "its parts are done" if found else refusal
            changes[epic.id] = {"status": "closed", "close_reason": why}
        made = context.store.create_many(beads, edges, changes)
        context.hold([bead for bead in made if bead.kind == "step"])
        if beads:
            context.emit_plan("parts", f"{order.objective} in {len(beads) - 1} parts")
        return found is not None

    def _write(self, plan: Plan, number: int) -> None:
        """Steps, their dependencies and the plan's decision bead; verified work is carried over."""
        context, store = self.context, self.context.store
        remembers = number > 0 and "memory" not in context.without
        done = self._verified() if remembers else {}
        public = context.task.public_checks
        key_of = {s.name: f"{context.run_id}|plan{number}|{s.name}" for s in plan.steps}
        beads, edges, signatures = [], [], dict[str, str]()
        for step in plan.steps:
            signatures[step.name] = signature = _signature(step, signatures)
            judged = any(check in public for check in step.acceptance)
            # The earlier artifact was verified without these checks.
            known = None if judged else done.get(signature)
            artifact = step.given if step.given is not None else known
            beads.append(
                Bead(
                    key=key_of[step.name], kind="step", title=step.objective, parent=context.root_id,
                    run_id=context.run_id, tier="architect",
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
                key=f"{context.run_id}|plan{number}", kind="decision", parent=context.root_id,
                title=f"plan {number}: {plan.why}", run_id=context.run_id, tier="architect",
                status="closed", body="; ".join(c.detail for c in plan.checks),
                data={
                    "decomposer": plan.decomposer, "checks": [c.model_dump() for c in plan.checks],
                    "answer": {s: keyed_id(key_of[n]) for s, n in plan.answer.items()},
                },
            )
        )  # fmt: skip
        root = context.root
        store.create_many(beads, edges, {root.id: {"data": {**root.data, "plan": number}}})
        context.plan = number
        context.emit_plan(plan.decomposer, plan.why)

    def _verified(self) -> dict[str, str]:
        """Signature → verified artifact of the current plan's steps that a further plan may reuse."""
        return {
            b.data["signature"]: b.data["artifact"]
            for b in self.context.steps()
            if b.data.get("outcome") == "verified" and self.context.craft_of(b).reusable
        }


def _signature(step: PlanStep, before: dict[str, str]) -> str:
    """The step's work with its inputs filled in: steps with equal signatures have equal
    artifacts."""
    body = re.sub(r"\{(\w+)\}", lambda m: f"({before.get(m[1], m[1])})", step.objective)
    return f"{step.kind}:{body}" if len(body) < 400 else f"{step.kind}:{hash_text(body)}"


def hash_text(text: str) -> str:
    """Short stable digest of a text."""
    from hashlib import blake2b

    return blake2b(text.encode(), digest_size=12).hexdigest()
