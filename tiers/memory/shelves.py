"""The tiers' access to memory: the parts of it that are in use, and the shelf beads.

Routines and insights belong to a fleet, because the abilities of one base model with its adapters
say little about another. Each fleet has a shelf bead for each kind of problem or step; routines and
insights are written under it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from specialists.registry import Card
from state import Bead, BeadStore, keyed_id
from state.vectors import INSIGHTS, QUIET, ROUTINES, Vectors
from tiers.protocol import Frozen

Packs = Literal["on", "off", "recency"]


class MemoryPolicy(Frozen):
    """The parts of memory that a run uses; a part that is off is neither read nor written."""

    packs: Packs = "on"
    """Context packs ranked in full, by recency alone, or none beyond a step's own inputs."""
    routines: bool = True
    """Whether a verified way to solve such problems is tried first."""
    insights: bool = True
    """Whether repairs teach which remedy fits which fault."""
    decay: bool = True
    """Whether expected evidence loses weight over time; surprising evidence keeps it in any
    case."""

    @property
    def shared(self) -> tuple[str, ...]:
        """Scopes of other runs' memory that a pack may quote."""
        switches = ((INSIGHTS, self.insights), (ROUTINES, self.routines))
        return tuple(scope for scope, on in switches if on)


@dataclass(frozen=True)
class Memory:
    """The memory that a run uses."""

    store: BeadStore
    vectors: Vectors
    policy: MemoryPolicy
    fleet: str
    """Identity of base model and specialists; see :func:`fleet_identity`."""

    def shelf(self, kind: str) -> Bead:
        """The bead under which memory of one kind of problem or step is written; it may not be
        stored yet."""
        key = f"memory|{self.fleet}|{kind}"
        return Bead(
            id=keyed_id(key), key=key, kind="epic", title=f"memory of fleet {self.fleet}: {kind}",
            tier="memory", status="closed", labels=[QUIET],
        )  # fmt: skip

    def on_shelf(self, kind: str, bead_kind: str) -> list[Bead]:
        """The routines or insights of one kind of problem or step, oldest first."""
        shelf = self.shelf(kind)
        known = self.store.find(shelf.id) is not None
        return self.store.query(parent=shelf.id, kind=bead_kind, order="created") if known else []


def fleet_identity(model_id: str, cards: Sequence[Card]) -> str:
    """Short digest of the base model and of every specialist's name and adapter."""
    rows = [model_id, *sorted(f"{c.name}:{c.adapter or ''}" for c in cards)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:10]
