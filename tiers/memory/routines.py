"""Routines: how a kind of problem was verifiably solved, tried first on the next problem of its
kind.

A routine is a bead under its fleet's shelf. Its body is a problem that it solved, with which the
next problem is compared; its data hold the plan's shape, the decomposer and the specialists; its
record is the evidence below it (:mod:`state.evidence`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from state import Bead, keyed_id
from state.evidence import TIER, Record, evidence, record_of
from state.vectors import ROUTINES
from tiers.protocol import Frozen
from tiers.run_context import RunContext

ALIKE = 0.35
"""Least cosine of two problems of one kind: held-out stories reach .29 to .82 among themselves,
unrelated texts at most .29 (all-MiniLM-L6-v2)."""
TRUST = 0.4
"""Posterior mean below which a routine is not tried: about one success in three."""
NEAREST = 64
SIZE_FACTOR = 2.0
"""Largest ratio of the sizes of two problems of one kind, as their domain measures size."""


class Routine(Frozen):
    """A stored way to solve a problem, and its success so far."""

    bead_id: str
    title: str
    mode: Literal["direct", "plan"]
    decomposer: str
    specialists: dict[str, str]
    """Kind of step → the one specialist that solved all steps of it."""
    likeness: float
    """Cosine of the present problem to the problem that the routine solved."""
    chance: float
    """Posterior mean that the routine solves the present problem."""


async def recall(context: RunContext) -> Routine | None:
    """The routine to try first on this run's problem, if one can be trusted."""
    if not context.memory.policy.routines or context.strategy != "auto":
        return None
    for bead, likeness in await _alike(context):
        record = record_of(context.store, bead.id, decay=context.memory.policy.decay)
        if record.chance >= TRUST:
            how = {name: bead.data[name] for name in ("mode", "decomposer", "specialists")}
            return Routine(
                bead_id=bead.id, title=bead.title, likeness=likeness, chance=record.chance, **how
            )
    return None


async def learn(context: RunContext, verdict: str) -> None:
    """Record the success or failure of the run's routine, and write a new routine for a new way to
    a verified answer.

    A spent budget is no evidence about a routine. Repeating the call changes nothing.
    """
    if not context.memory.policy.routines or verdict == "exhausted":
        return
    written = context.store.of_run(context.run_id, "outcome", TIER)
    if any(b.data.get("routine") for b in written):
        return
    tried, number = context.routine(), context.root.data.get("plan")
    beads: list[Bead] = []
    held = verdict == "verified" and number == 0
    if tried:
        beads.append(_evidence(context, tried["bead_id"], won=held))
    if verdict == "verified" and number is not None and not (tried and held):
        method = _method(context, number)
        same = [b for b, _ in await _alike(context) if b.data["method"] == method["method"]]
        fresh = [] if same else [context.memory.shelf(context.task.kind), _new(context, method)]
        subject = same[0].id if same else fresh[-1].id
        beads += [*fresh, _evidence(context, subject, won=True)]
    context.store.apply(beads, {})


async def _alike(context: RunContext) -> list[tuple[Bead, float]]:
    """Routines for problems of this kind and size, by likeness × chance, best first."""
    shelf = {b.id: b for b in context.memory.on_shelf(context.task.kind, "routine")}
    if not shelf:
        return []
    near = dict(await asyncio.to_thread(_search, context))
    size = context.domain.size(context.task)
    rows = [
        (near[id] * record_of(context.store, id, decay=context.memory.policy.decay).chance, bead)
        for id, bead in shelf.items()
        if near.get(id, 0.0) >= ALIKE and 1 / SIZE_FACTOR <= size / bead.data["size"] <= SIZE_FACTOR
    ]
    rows.sort(key=lambda row: (-row[0], row[1].id))
    return [(bead, near[bead.id]) for _, bead in rows]


def _search(context: RunContext) -> Sequence[tuple[str, float]]:
    vectors = context.memory.vectors
    vectors.sync(ROUTINES)
    return vectors.search(vectors.embed(context.task.statement), [ROUTINES], NEAREST)


def _method(context: RunContext, number: int) -> dict[str, Any]:
    """Mode, decomposer, specialists and shape of the plan that led to the answer."""
    plan = context.store.get(keyed_id(f"{context.run_id}|plan{number}"))
    steps = [s for s in context.steps() if not s.data["given"] and "under" not in s.data]
    solvers: dict[str, set[str]] = {}
    for step in steps:
        if step.assignee and "parts" not in step.data:
            solvers.setdefault(step.data["kind"], set()).add(step.assignee)
    decomposer = plan.data["decomposer"]
    how = {
        "mode": "direct" if decomposer == "direct" else "plan",
        "decomposer": decomposer,
        "specialists": {k: min(who) for k, who in sorted(solvers.items()) if len(who) == 1},
    }
    text = json.dumps([context.task.kind, how], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    shape = dict(sorted(Counter(s.data["kind"] for s in steps).items()))
    return {**how, "method": digest, "shape": shape}


def _new(context: RunContext, method: dict[str, Any]) -> Bead:
    shape = ", ".join(f"{count} {kind}" for kind, count in method["shape"].items())
    who = ", ".join(f"{kind} by {name}" for kind, name in method["specialists"].items())
    key = f"routine|{context.memory.fleet}|{method['method']}|{context.root_id}"
    return Bead(
        id=keyed_id(key), key=key, kind="routine", parent=context.memory.shelf(context.task.kind).id,
        title=f"a {context.task.kind} problem, {method['decomposer']} plan ({shape}); {who}",
        body=context.task.statement, run_id=context.run_id, tier="monitor", status="closed",
        data={**method, "size": context.domain.size(context.task)},
    )  # fmt: skip


def _evidence(context: RunContext, subject: str, *, won: bool) -> Bead:
    record = (
        record_of(context.store, subject, decay=context.memory.policy.decay)
        if any(b.id == subject for b in context.memory.on_shelf(context.task.kind, "routine"))
        else Record()
    )
    bead = evidence(subject, context.run_id, context.run_id, record, won=won)
    bead.data = {**bead.data, "routine": True}
    return bead
