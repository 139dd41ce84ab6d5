"""Rules for people's changes to beads that the tables would allow, such as closing a bead that
waits."""

from __future__ import annotations

from collections.abc import Sequence

from state import frontier, graph
from state.errors import ClaimError, UsageError
from state.jsonl import ASIDE, aside_of
from state.models import BEAD_KINDS, DONE, RECORD_KINDS, WORK_KINDS, Bead
from state.transactions import Transaction, chunks

PEOPLES_KINDS = ("epic", "task", "bug", "feature", "chore")
"""Kinds that people may give to beads."""


def is_done(bead: Bead | None) -> bool:
    """Whether the bead exists and is finished."""
    return bead is not None and bead.status in DONE


def unoffered(bead: Bead) -> str:
    """Why a bead is never offered as work, by a field of its import; empty if it may be offered."""
    if bead.kind not in (*WORK_KINDS, *RECORD_KINDS):
        return f"a {bead.kind}"
    if aside_of(bead.status, bead.extra) == 2:
        return "pinned"
    found = [name for name in ASIDE if bead.extra.get(name) is True]
    return found[0].removeprefix("is_").replace("wisp", "ephemeral") if found else ""


def refuse_kind(kind: str, bead: Bead | None = None) -> None:
    """Raise UsageError for a kind that people cannot choose, or for a bead whose kind they cannot
    change.

    Outcomes, routines and the like hold data that their readers rely on. A new bead may be a
    decision, because people decide too.
    """
    chosen = (*PEOPLES_KINDS, "decision") if bead is None else PEOPLES_KINDS
    if kind in BEAD_KINDS and kind not in chosen:
        raise UsageError(
            f"only runs and imports make beads of kind {kind}; choose one of {', '.join(chosen)}"
        )
    if bead is not None and bead.kind not in (*PEOPLES_KINDS, "decision"):
        raise UsageError(f"bead {bead.id} stays of kind {bead.kind}: a run or an import made it so")


def refuse_close(tx: Transaction, ids: Sequence[str], *, force: bool = False) -> None:
    """Raise ClaimError if one of the beads with these whole ids is deleted. Without ``force``, also
    raise it for an epic with open parts and for a bead that waits for another; blockers that are
    closed in the same call do not count.

    Closed beads may be closed again.
    """
    found = [
        row for those, values in chunks(ids) for row in tx.rows(_SUSPECTS.format(those), values)
    ]
    for id, _, status, _ in found:
        if status == "tombstone":
            raise ClaimError(f"bead {id} is deleted; `harness bead reopen {id}` opens it")
    if force:
        return
    closing = set(ids)
    epics = [id for id, kind, _, _ in found if kind == "epic"]
    for id, parts in frontier.open_parts(tx, epics).items():
        if left := [part for part in parts if part not in closing]:
            raise ClaimError(
                f"epic {id} has open parts: {_some(left)}; close them first, or with it, or use "
                "`harness bead close --force`"
            )
    for id, held in graph.holders(tx, [id for id, _, _, waits in found if waits]).items():
        if left := [b for b in dict.fromkeys(b for b, _ in held) if b not in closing]:
            raise ClaimError(
                f"bead {id} waits for {_some(left)}; close that first, or with it, or use "
                "`harness bead close --force`"
            )


_SUSPECTS = (
    "SELECT id, kind, status, waiting FROM bead WHERE id IN {} AND "
    "(waiting = 1 OR kind = 'epic' OR status = 'tombstone') AND status <> 'closed'"
)


def refuse_tombstone(status: str | None) -> None:
    """Raise UsageError for the status that only a deletion sets."""
    if status == "tombstone":
        raise UsageError(
            "tombstone is the status of deleted beads; `harness bead delete` deletes one"
        )


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
