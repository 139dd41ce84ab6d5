"""Routing data in the store: which specialist was given which task, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from state import BeadStore, Runs

DECIDED = {"verified": True, "failed": False}
"""Outcomes that are evidence about a specialist; unverified, cancelled and exhausted ones are
not."""


@dataclass(frozen=True)
class Example:
    """The outcome of one specialist on one task."""

    task: str
    """The text that the scorer saw."""
    specialist: str
    verified: bool
    problem: str
    """Id of the problem, by which training and test sets are split."""


def examples(store: BeadStore) -> list[Example]:
    """Every decided outcome in the store, oldest first, forced choices included."""
    found: list[Example] = []
    for run in reversed(Runs(store).list()):
        orders = {
            bead.id: bead
            for bead in store.query(run_id=run.id, kind="decision", tier="dispatcher")
            if "task" in bead.data
        }
        for bead in store.query(run_id=run.id, kind="outcome", order="created"):
            order = orders.get(bead.parent or "")
            if order is None:
                continue
            outcome = bead.data["outcome"]
            members = outcome.get("members") or {bead.assignee: outcome["status"]}
            found += [
                Example(order.data["task"], str(name), DECIDED[status], run.problem_id)
                for name, status in members.items()
                if status in DECIDED
            ]
    return found
