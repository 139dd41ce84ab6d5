"""The architect: turns the problem into a plan of step beads, by the cheapest decomposer that applies.

Rules split a request into its stages and a story into sentences; the ``decompose`` specialist turns
sentences into operations, checked window by window against an independent derivation; a general
model writes a JSON plan. A plan is written to the store in one transaction.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence

from specialists.backends.base import Sampling
from specialists.pocket.domains import decompose_prompt
from specialists.registry import Card
from state import Bead, Dependency, keyed_id
from tiers import derivation, llm_plan, splitter
from tiers.calls import Origin, resample_temperature
from tiers.protocol import Check, CheckResult, Plan, PlanStep
from tiers.room import Room, chat
from tiers.segments import labels, segment

WINDOW = 2
RESAMPLES = 3
WARMER = 0.3
"""How much warmer each further resample is."""


class Architect:
    """Plans for one run."""

    def __init__(self, room: Room) -> None:
        self.room = room

    async def plan(self, mode: str, number: int) -> Plan:
        """Make plan ``number`` and write it. ``mode`` is ``direct`` or ``plan``.

        Raises :class:`tiers.derivation.PlanError` when no decomposer finds one.
        """
        whole = mode == "direct" or "decomposition" in self.room.without
        plan = self._direct() if whole else await self._decompose(number)
        self._write(plan, number)
        return plan

    def _direct(self) -> Plan:
        """The whole problem as one step."""
        room, task = self.room, self.room.task
        checks = list(task.public_checks)
        if task.kind == "code":
            kind = "code"
        elif task.kind in ("story", "multistage") or splitter.looks_like_story(task.statement):
            kind = "solve"
            if room.strategy != "direct" and room.card("code"):
                checks.append(Check(kind="cross"))
        else:
            kind = "text"
        step = PlanStep.model_validate(
            {"name": "all", "kind": kind, "objective": task.statement, "acceptance": checks}
        )
        return Plan(steps=(step,), answer={"": "all"}, decomposer="direct", why="one call may do")

    async def _decompose(self, number: int) -> Plan:
        room, task = self.room, self.room.task
        card = room.card("decompose")
        routine = room.routine() if number == 0 else None
        if routine and routine["decomposer"] == "llm" and (general := room.card("general")):
            return await llm_plan.plan(room, general, number)
        request = splitter.read_request(task.statement)
        body = request.body if request else task.statement
        storied = task.kind in ("story", "multistage") or splitter.looks_like_story(body)
        if card and storied:
            steps, answer, checks = await self._story(card, splitter.sentences(body), number)
        elif card and splitter.looks_like_expression(task.statement):
            steps, answer, checks = await self._story(card, [body.strip()], number)
        elif sequence := _stages(task.statement):
            return sequence
        elif general := room.card("general"):
            return await llm_plan.plan(room, general, number)
        else:
            return self._direct().model_copy(
                update={"why": "nothing in the fleet can decompose it"}
            )
        stages = request.stages if request else ("solve",)
        final: dict[str, str] = {"solve" if request else "": answer}
        steps = list(steps)
        if "explain" in stages:
            steps.append(_explain_step(steps, answer))
            final["explain"] = "explain"
        if "code" in stages:
            steps.append(_code_step(body, answer))
            final["code"] = "code"
        why = f"{len(steps)} steps from {len(splitter.sentences(body))} sentences"
        return Plan(steps=tuple(steps), answer=final, decomposer="learned", why=why, checks=checks)

    async def _story(
        self, card: Card, parts: Sequence[str], number: int
    ) -> tuple[list[PlanStep], str, tuple[CheckResult, ...]]:
        """Decompose sentence by sentence and in windows of two; where they differ, vote."""
        pairs = _pairs(len(parts))
        alone, joint = await asyncio.gather(
            self._derive(card, [[s] for s in parts], number, 0),
            self._derive(card, [[parts[i] for i in w] for w in pairs], number, 0),
        )
        readings = [
            _fitting(part, [single[0], pair[k % WINDOW]])
            for k, (part, single) in enumerate(zip(parts, alone, strict=True))
            for pair in [joint[k // WINDOW]]
        ]
        split = [k for k, (_, votes) in enumerate(map(_leading, readings)) if votes < 2]
        await asyncio.gather(*(self._vote(card, parts, k, readings[k], number) for k in split))
        lines: list[derivation.Line] = []
        for part, candidates in zip(parts, readings, strict=True):
            best = derivation.majority(candidates)
            if best is None:
                raise derivation.PlanError(f"no derivation fits {part!r}")
            lines += best[0]
        steps, answer = derivation.build_steps(lines)
        checks = (
            CheckResult(kind="plan", passed=True, detail="parses, uses every number, refers backwards"),
            CheckResult(
                kind="agreement", passed=True,
                detail=f"{len(parts) - len(split)} of {len(parts)} sentences agreed at once, "
                "the others by vote",
            ),
        )  # fmt: skip
        return steps, answer, checks

    async def _derive(
        self, card: Card, sources: Sequence[Sequence[str]], number: int, sample: int
    ) -> list[list[derivation.Lines | None]]:
        """What ``card`` reads in each source, a sentence at a time; ``None`` where it is malformed."""
        sampling = Sampling(
            max_tokens=card.max_tokens,
            temperature=0.0
            if number == 0 and sample == 0
            else resample_temperature(sample, WARMER),
            seed=self.room.seed * 1000 + number * 100 + sample,
        )
        origin = Origin(self.room.root_id, "architect", number, sample)
        calls = [
            self.room.caller(card, chat(card, decompose_prompt(s)), origin, sampling)
            for s in sources
        ]
        made = await asyncio.gather(*calls)
        parsed = [
            derivation.parse(call.response, source)
            for call, source in zip(made, sources, strict=True)
        ]
        return [
            [None] * len(source) if lines is None else list(lines)
            for lines, source in zip(parsed, sources, strict=True)
        ]

    async def _vote(
        self,
        card: Card,
        parts: Sequence[str],
        k: int,
        readings: list[derivation.Lines],
        number: int,
    ) -> None:
        """Add derivations of sentence ``k`` to its readings until one has two votes."""
        start = k // WINDOW * WINDOW
        window = parts[start : start + WINDOW]
        for sample in range(1, RESAMPLES + 1):
            single, pair = await self._derive(card, [[parts[k]], window], number, sample)
            readings += _fitting(parts[k], [single[0], pair[k - start]])
            if _leading(readings)[1] >= 2:
                return

    def _write(self, plan: Plan, number: int) -> None:
        """Steps, their dependencies and the plan's decision bead; verified work is carried over."""
        room, store = self.room, self.room.store
        remembers = number > 0 and "memory" not in room.without
        done = _verified(room.steps()) if remembers else {}
        key_of = {s.name: f"{room.run_id}|plan{number}|{s.name}" for s in plan.steps}
        beads, edges, signatures = [], [], dict[str, str]()
        for step in plan.steps:
            signatures[step.name] = signature = _signature(step, signatures)
            artifact = step.given if step.given is not None else done.get(signature)
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


def _stages(statement: str) -> Plan | None:
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
            name=name, kind="text", objective=part.text, inputs=tuple(names[:k]),
            meta={"role": part.label},
        )
        for k, (name, part) in enumerate(zip(names, parts, strict=True))
    )  # fmt: skip
    return Plan(
        steps=steps, answer=dict(zip(sections, names, strict=True)), decomposer="rules",
        why=f"the request has {len(steps)} segments: {', '.join(sections)}",
    )  # fmt: skip


def _pairs(count: int) -> list[range]:
    return splitter.windows(count, WINDOW)


def _fitting(part: str, readings: Sequence[derivation.Lines | None]) -> list[derivation.Lines]:
    return [r for r in readings if r is not None and derivation.check_sentence(part, r).passed]


def _leading(readings: Sequence[derivation.Lines]) -> tuple[derivation.Lines, int]:
    return derivation.majority(readings) or ((), 0)


def _explain_step(steps: Sequence[PlanStep], answer: str) -> PlanStep:
    rows = [{"name": s.name, "target": s.meta["target"], "objective": s.objective} for s in steps]
    return PlanStep(
        name="explain", kind="explain", objective="Explain these steps.",
        inputs=tuple(s.name for s in steps), acceptance=(Check(kind="cites"),),
        meta={"steps": rows, "answer": answer},
    )  # fmt: skip


def _code_step(body: str, answer: str) -> PlanStep:
    return PlanStep(
        name="code", kind="code", objective=body, inputs=(answer,),
        acceptance=(Check(kind="cross"),), meta={"story": True, "answer": answer},
    )  # fmt: skip


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
