"""The monitor: judges the progress of a run and decides what happens next.

It reads step and outcome beads and the signs in them (:mod:`tiers.run_progress`). A routine is
tried first. A specialist whose attempts improve continues; one that spins is replaced by another. A
step that failed as a whole is taken apart. A step that drifted from the problem, or that fails two
plans in the same way, ends its plan. Each decision is a bead that says why, and every stop has a
reason. The number of plans and of delegations of a step is bounded, so every run ends.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from state import Bead
from state.evidence import EXPECTED
from state.status import StopKind
from state.stops import StopReason
from state.vectors import QUIET
from tiers import parts, run_progress, scope
from tiers.memory import routines
from tiers.protocol import Outcome
from tiers.run_context import RunContext

MOST_PLANS = 3
MOST_SPECIALISTS = 2
"""Specialists that may fail on one step before the plan is doubted; those that gave nothing do not
count."""
MOST_DELEGATIONS = 4
"""Most delegations of a step under one plan, over all specialists."""
ASTRAY = 0.9
"""Drift from which a failed step counts as off the problem: unrelated texts are this far apart."""

Kind = Literal["direct", "plan", "continue", "escalate", "divide", "replan", "stop"]
_GRAVITY: dict[Kind, int] = {
    "continue": 0, "escalate": 1, "divide": 2, "replan": 3, "stop": 4,
}  # fmt: skip
"""Severity of each decision: among several failed steps, the most severe decision is taken."""


class Verdict(BaseModel):
    """What the monitor decided, and why."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    reason: str
    plan: int = 0
    """Number of the plan to make, for ``direct``, ``plan`` and ``replan``."""
    stop: StopKind | None = None
    """The kind of stop, for ``stop``."""

    @property
    def stop_reason(self) -> StopReason:
        """Why the run stops; also works for a ``stop`` that an older program wrote without its
        kind."""
        return StopReason(kind=self.stop or "done", text=self.reason)


def _stop(kind: StopKind, reason: str) -> Verdict:
    return Verdict(kind="stop", reason=reason, stop=kind)


class Monitor:
    """Watches one run."""

    def __init__(self, context: RunContext) -> None:
        self.context = context

    async def decide(
        self, wave: int, error: str | None, exhausted: str | None, *, final: bool = False
    ) -> Verdict:
        """The next move after ``wave``; written to the store, and read from it if it is already
        there.

        ``error`` is the architect's failure, ``final`` says that no further plan can help, and
        ``exhausted`` names the spent limit, if there is one. The decision also says which failed
        steps stay with their specialist, for the dispatcher.
        """
        context, key = self.context, f"{self.context.run_id}|monitor|{wave}"
        bead = context.find(key)
        if bead is None:
            verdict, facts = await self._decide(wave, error, exhausted, final)
            told = verdict.kind in ("escalate", "replan")
            bead = context.store.create(
                "decision", f"{verdict.kind}: {verdict.reason}", key=key, parent=context.root_id,
                run_id=context.run_id, tier="monitor", status="closed", body=verdict.reason,
                surprise=facts.get("surprise"), labels=[] if told else [QUIET],
                data={"decision": verdict.kind, "wave": wave, "plan": verdict.plan,
                      "stop": verdict.stop, **facts},
            )  # fmt: skip
        context.decided, data = bead, bead.data
        verdict = Verdict(
            kind=data["decision"], reason=bead.body, plan=data["plan"], stop=data.get("stop")
        )
        context.emit("monitor", f"{verdict.kind}: {verdict.reason}", decision=verdict.kind,
                  reason=verdict.reason, wave=wave)  # fmt: skip
        return verdict

    async def _decide(
        self, wave: int, error: str | None, exhausted: str | None, final: bool
    ) -> tuple[Verdict, dict[str, Any]]:
        context = self.context
        plan = context.plan
        if plan is not None and error is None and self._complete(plan):
            exhausted = None  # The budget ended together with the work, not before it.
        if exhausted:
            return _stop("budget", f"out of budget: {exhausted}"), {}
        if error is not None:
            number = -1 if plan is None else plan
            past = context.store.of_run(context.run_id, "decision", "monitor")
            tries = sum("error" in d.data for d in past) + 1
            fault = {"error": error}
            if final:
                return _stop("no_plan", error), fault
            if tries >= MOST_PLANS:
                return _stop("no_plan", f"no plan after {tries} tries: {error}"), fault
            return Verdict(kind="replan", reason=error, plan=number + 1 + tries), fault
        if plan is None:
            if wave == 0 and (routine := await routines.recall(context)):
                why = (
                    f"routine {routine.bead_id} solved a problem {routine.likeness:.2f} alike this "
                    f"way, chance {routine.chance:.2f}"
                )
                return Verdict(kind=routine.mode, reason=why), {"routine": routine.model_dump()}
            return self._first(), {}
        steps = context.steps(plan)
        seen = context.decided.data.get("outcomes", 0) if context.decided else 0
        facts = await run_progress.read(context, steps, seen)
        if all(s.status == "closed" for s in steps):
            return _stop("done", "every step of the plan is closed"), facts
        failed = [
            s for s in steps
            if s.status != "closed" and s.data.get("failed") and not parts.in_parts(s)
        ]  # fmt: skip
        due = parts.due(steps)
        if failed and "monitor" in context.without:
            why = f"{failed[0].title[:60]!r} failed and nobody watches"
            return _stop("unwatched", why), facts
        if failed:
            verdicts = [self._failed(step, plan, facts) for step in failed]
            facts["stay"] = {
                step.id: step.data["tried"][-1]
                for step, verdict in zip(failed, verdicts, strict=True)
                if verdict.kind == "continue"
            }
            divided = [s for s, v in zip(failed, verdicts, strict=True) if v.kind == "divide"]
            facts["divide"] = [step.id for step in (*divided, *due)]
            worst = max(verdicts, key=lambda v: _GRAVITY[v.kind])
            if due and _GRAVITY[worst.kind] < _GRAVITY["divide"]:
                worst = worst.model_copy(update={"kind": "divide"})
            surprised = facts["surprise"] > EXPECTED and worst.kind != "stop"
            note = f" (surprising: {facts['surprise']:.1f} nats)" if surprised else ""
            return worst.model_copy(update={"reason": worst.reason + note}), facts
        if due:
            facts["divide"] = [step.id for step in due]
            return Verdict(
                kind="divide", reason=f"the parts of {due[0].title[:60]!r} are done"
            ), facts
        done = sum(s.status == "closed" for s in steps)
        return Verdict(kind="continue", reason=f"{done} of {len(steps)} steps closed"), facts

    def _complete(self, plan: int) -> bool:
        """Whether every step of a plan is closed."""
        steps = self.context.steps(plan)
        return bool(steps) and all(step.status == "closed" for step in steps)

    def _first(self) -> Verdict:
        context = self.context
        if outside := scope.out_of_scope(context):
            return _stop("scope", outside)
        if context.strategy in ("direct", "plan"):
            kind: Kind = "direct" if context.strategy == "direct" else "plan"
            return Verdict(kind=kind, reason=f"the strategy is {context.strategy}")
        if "monitor" in context.without:
            return Verdict(kind="plan", reason="nobody decides: every problem is planned")
        approach = context.domain.approach(context)
        return Verdict(kind=approach.mode, reason=approach.reason)

    def _failed(self, step: Bead, plan: int, facts: dict[str, Any]) -> Verdict:
        """The decision that a failed step calls for."""
        context, tries = self.context, run_progress.of_step(self.context, step)
        who = ", ".join(dict.fromkeys(step.data["tried"]))
        why = f"{step.title[:60]!r} failed with {who}"
        spin, far = facts["spinning"].get(step.data["name"], ""), facts["drift"] or 0.0
        if context.strategy == "direct":
            return _stop("strategy", f"{why}; the strategy is direct")
        able = {
            who
            for who, outcome in (context.outcomes()[id] for id in step.data["failed"])
            if not run_progress.empty_handed(outcome)
        }
        many = len(able) >= MOST_SPECIALISTS or len(tries) >= MOST_DELEGATIONS
        alone = context.specialist is not None or len(context.cards) < 2
        if (many or alone or spin) and parts.may_divide(context, step):
            return Verdict(kind="divide", reason=f"{why}; it is taken apart")
        if (before := self._earlier(step, plan)) and run_progress.nothing_new(tries, before):
            return _stop(
                "progress", f"no progress: spinning: {why} in the same way under two plans"
            )
        if not spin and run_progress.improving(tries[-1]) and len(tries) < MOST_DELEGATIONS:
            return Verdict(kind="continue", reason=f"{why}, but came closer; it goes on")
        if many or alone:
            return self._doubt(why, plan)
        if far > ASTRAY and context.craft_of(step).worded:
            return self._doubt(f"{why} and has drifted {far:.2f} from the problem", plan)
        says = f" and spins: {spin}" if spin else ""
        return Verdict(kind="escalate", reason=f"{why}{says}; another specialist is next")

    def _earlier(self, step: Bead, plan: int) -> list[Outcome]:
        """The outcomes of the same work that failed under earlier plans."""
        beads = self.context.store.of_run(self.context.run_id, "step")
        same = [
            b for b in beads
            if b.data["plan"] < plan and b.data["signature"] == step.data["signature"]
        ]  # fmt: skip
        return [outcome for bead in same for outcome in run_progress.of_step(self.context, bead)]

    def _doubt(self, why: str, plan: int) -> Verdict:
        if plan + 1 >= MOST_PLANS:
            return _stop("progress", f"no progress: {why} under {plan + 1} plans")
        return Verdict(kind="replan", reason=why, plan=plan + 1)
