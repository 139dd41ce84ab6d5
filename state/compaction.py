"""Compaction: folds the closed beads of a finished run into one summary bead.

Nothing is deleted. A folded bead keeps its row, for the record, and gets a label that hides it from
context packs; the summary replaces it there. Surprising beads, beads that all runs share, and the
plan's decisions stay unchanged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from state import rows
from state.errors import UsageError
from state.evidence import EXPECTED
from state.models import Bead
from state.runs import Runs
from state.store import BeadStore
from state.vectors import FOLDED, INSIGHTS, ROUTINES, forget

SHOWN = 32
"""Most steps that a summary lists with their results; further steps are only counted."""
LONGEST = 160
"""Most characters of a result in a summary."""


class Compaction(BaseModel):
    """The result of a compaction."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    summary: str
    """Id of the summary bead."""
    folded: int
    """Number of beads folded now; 0 when all were folded before."""
    kept: int
    """Number of closed beads left unchanged: surprising, shared or deciding ones."""


def compact(store: BeadStore, run_id: str) -> Compaction:
    """Fold the closed beads of a finished run; repeating it changes nothing.

    Raises UsageError for an unknown run and for one that is not finished.
    """
    run = Runs(store).get(run_id)
    if run.status != "finished":
        raise UsageError(f"run {run.id} is {run.status}; only a finished run can be compacted")
    now = store.database.now()
    with store.database.writing() as tx:
        closed = "WHERE run_id = %(run)s AND status = 'closed' ORDER BY created_at, id"
        beads = tx.records(Bead, closed, {"run": run.id})
        root = next((b for b in beads if b.kind == "epic" and b.parent is None), None)
        if root is None:
            raise UsageError(f"run {run.id} has no closed root bead to put a summary under")
        key = f"{run.id}|summary"
        foldable = [b for b in beads if b.id != root.id and b.key != key and _folds(b)]
        fresh = [b for b in foldable if FOLDED not in b.labels]
        summary = rows.insert(
            tx,
            Bead(
                key=key, kind="insight", parent=root.id, run_id=run.id, tier="memory",
                status="closed", title=f"{root.title}: {root.close_reason}",
                body=_summary(foldable), labels=["summary"], data={"folded": len(foldable)},
            ),
            now,
        )  # fmt: skip
        for bead in fresh:
            before = bead.model_dump()
            bead.labels, bead.updated_at = [*bead.labels, FOLDED], now
            tx.save(bead, before)
        forget(tx, [b.id for b in fresh])
        kept = len(beads) - len(foldable) - 1 - sum(b.key == key for b in beads)
        return Compaction(run_id=run.id, summary=summary.id, folded=len(fresh), kept=kept)


def _folds(bead: Bead) -> bool:
    """Whether the bead may go into the summary."""
    if bead.kind in (INSIGHTS, ROUTINES) or (bead.surprise or 0.0) > EXPECTED:
        return False
    return not (bead.kind == "decision" and bead.tier == "architect")


def _summary(beads: Sequence[Bead]) -> str:
    steps = [b for b in beads if b.kind == "step"]
    lines = [
        f"{b.title} → {str(b.data.get('artifact'))[:LONGEST]}"
        for b in steps[-SHOWN:]
        if b.data.get("artifact") is not None
    ]
    if len(steps) > SHOWN:
        lines.insert(0, f"the last {SHOWN} of {len(steps)} steps:")
    faults = Counter(b.body for b in beads if b.kind == "outcome" and b.body)
    lines += [f"{count} × {fault[:LONGEST]}" for fault, count in sorted(faults.items())]
    counts = Counter(b.kind for b in beads)
    lines.append("folded: " + ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())))
    return "\n".join(lines)
