"""The tier in which a failure arose, found by repeating one tier's work with an exact oracle.

An oracle exists where a domain can redo its steps exactly: a plan is right when executing it
exactly gives the expected answer. The question "would the run have succeeded if this tier had been
right?" is answered for plan, routing and result, in this order.
"""

from __future__ import annotations

from collections.abc import Mapping

from eval.errors.run_failures import Failure
from eval.problems import Problem
from state import Bead, BeadStore, Run
from tiers.crafts import Craft, fill
from tiers.domains import installed

UNKNOWN = "unknown"
ONE_VALUE = ("numeric", "exact")
"""Kinds of checks that expect one value; the first one that a problem has is used."""


class Oracle:
    """Finds the origins of failures in the runs of one store; each plan is executed once."""

    def __init__(self, store: BeadStore, runs: Mapping[str, Run]) -> None:
        self._store, self._runs = store, runs
        self._plans: dict[tuple[str, int], bool | None] = {}

    def origin(self, failure: Failure) -> str:
        """The tier ``architect``, ``dispatcher``, ``fleet`` or ``monitor``; ``unknown`` without an
        oracle."""
        if failure.tier in ("architect", "monitor"):
            return failure.tier
        run = self._runs[failure.run_id]
        steps = self._store.query(run_id=run.id, kind="step")
        if failure.tier == "report":
            plan = max((s.data["plan"] for s in steps), default=0)
            if len([s for s in steps if s.data["plan"] == plan and not s.data.get("given")]) < 2:
                # The whole problem was one step, so there was no plan that could be wrong.
                return "fleet"
            right = self._plan_is_right(run, steps, plan)
            return UNKNOWN if right is None else "fleet" if right else "architect"
        outcome = self._store.get(failure.bead_id)
        step = next((s for s in steps if s.id == outcome.data["step"]), None)
        if step is None:
            return UNKNOWN
        craft = _craft(step)
        if craft.exact and self._plan_is_right(run, steps, step.data["plan"]) is False:
            return "architect"
        known = craft.specialist
        trained = known is not None and self._has_specialist(run, known)
        if trained and failure.specialist != known and known not in step.data.get("tried", []):
            return "dispatcher"
        return "fleet" if trained or known is None else UNKNOWN

    def _has_specialist(self, run: Run, name: str) -> bool:
        """Whether the fleet of the run has that specialist: its routing scores name all
        specialists."""
        orders = self._store.query(run_id=run.id, kind="decision", tier="dispatcher")
        return any(name in order.data.get("scores", {}) for order in orders)

    def _plan_is_right(self, run: Run, steps: list[Bead], plan: int) -> bool | None:
        """Whether the plan gives the expected answer when it is executed exactly; ``None`` where
        the problem expects no single value or no domain can redo its steps."""
        key = run.id, plan
        if key not in self._plans:
            self._plans[key] = _carried_out(run, [s for s in steps if s.data["plan"] == plan])
        return self._plans[key]


def _carried_out(run: Run, steps: list[Bead]) -> bool | None:
    try:
        problem = Problem.model_validate_json(run.problem_json)
    except ValueError:
        return None
    by_kind = ([c for c in problem.hidden_checks if c.kind == kind] for kind in ONE_VALUE)
    expected = [check.spec["expected"] for check in next(filter(None, by_kind), [])]
    operations = [s for s in steps if _craft(s).exact]
    if len(expected) != 1 or not operations:
        return None
    values: dict[str, str] = {}
    waiting = list(operations)
    while waiting:
        ready = [s for s in waiting if set(s.data["inputs"].values()) <= values.keys()]
        if not ready:
            return None
        for step in ready:
            inputs = {name: values[i] for name, i in step.data["inputs"].items()}
            undefined = "" in inputs.values()  # The step builds on one without a right artifact.
            values[step.id] = "" if undefined else exact(step, inputs) or ""
            waiting.remove(step)
    last = [s for s in operations if not _is_used(s, operations)]
    return any(values[s.id] == str(expected[0]) for s in last)


def exact(step: Bead, inputs: Mapping[str, str]) -> str | None:
    """The right artifact of a step; ``None`` where it cannot be computed."""
    if step.data.get("given"):
        return str(step.data["artifact"])
    return _craft(step).redo(fill(step.data["objective"], inputs))


def _craft(step: Bead) -> Craft:
    return installed().craft(step.data["kind"], step.data.get("meta", {}))


def _is_used(step: Bead, steps: list[Bead]) -> bool:
    return any(step.id in other.data["inputs"].values() for other in steps)
