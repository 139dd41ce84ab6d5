"""Ends a run: assembles the answer from step artifacts, gives the verdict and closes the root
bead."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from state import Bead
from state.errors import BudgetExceeded
from state.status import Verdict
from state.stops import StopReason
from tiers.answer import join_sections, labels
from tiers.checking import examine, undecided
from tiers.memory import routines
from tiers.protocol import Check, CheckResult
from tiers.run_context import RunContext

UNDONE = "not-checked"
"""Signature of a public check that gave no result."""


class Result(BaseModel):
    """The result that the tiers return at the end of a run."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    answer: str | None
    reason: StopReason
    checks: tuple[str, ...] = ()
    """The checks that verified the answer, in words."""
    doubts: tuple[str, ...] = ()
    """Checks that could not decide, in words."""


async def conclude(context: RunContext, reason: StopReason) -> Result:
    """The answer and verdict of the run, computed from the store.

    ``verified`` needs an answer that passed the problem's public checks or, where there are none,
    an answer whose every step passed its own checks. An answer that no check decided is
    ``unverified``, which is never a success. Without an answer the run ``failed``, or was
    ``exhausted`` when the budget ended it. Routines learn from the result.
    """
    root = context.root
    steps = {s.id: s for s in context.steps()} if "plan" in root.data else {}
    plan = context.find(f"{context.run_id}|plan{root.data.get('plan')}")
    wanted: dict[str, str] = plan.data["answer"] if plan else {}
    sections = {
        section: artifact
        for section, id in wanted.items()
        if id in steps and (artifact := steps[id].data.get("artifact")) is not None
    }
    answer = _join(sections) if sections else None
    complete = plan is not None and len(sections) == len(wanted)
    closed = all(s.status == "closed" for s in steps.values())
    ends = [steps[id] for id in wanted.values() if id in steps]
    public, whole = await _public(context, ends, answer if complete else None)
    refuted = any(result.refutes for result in public)
    if public:
        sound = all(r.passed for r in public) and (whole or all(map(_verified, ends)))
    else:
        sound = all(map(_verified, steps.values()))
    if complete and sound:
        verdict: Verdict = "verified"
    elif reason.kind == "budget":
        verdict = "exhausted"
    elif complete and closed and not refuted:
        verdict = "unverified"
    else:
        verdict = "failed"
    doubts = [s.data["doubt"] for s in steps.values() if s.data.get("doubt")]
    doubts += [result.detail for result in public if result.inconclusive]
    checks = _checks(context, [c["detail"] for c in (plan.data["checks"] if plan else [])])
    result = Result(verdict=verdict, answer=answer, reason=reason, checks=checks,
                    doubts=tuple(dict.fromkeys(doubts)))  # fmt: skip
    await routines.learn(context, verdict)
    data = {
        **root.data, "verdict": verdict, "answer": answer, "checks": list(checks),
        "doubts": list(result.doubts), "stop": reason.model_dump(),
    }  # fmt: skip
    says = f"{verdict}: {reason.text}"
    context.store.apply(
        [], {context.root_id: {"status": "closed", "close_reason": says, "data": data}}
    )  # This write comes last: a run that has it did everything before it.
    context.emit("report", says, verdict=verdict, answer=answer)
    return result


def _verified(step: Bead) -> bool:
    return step.status == "closed" and step.data.get("outcome") == "verified"


async def _public(
    context: RunContext, ends: Sequence[Bead], answer: str | None
) -> tuple[list[CheckResult], bool]:
    """Results of the problem's public checks, and whether each of them judged the whole answer.

    A check that accepted a step of the answer is not run again.
    """
    if answer is None or "verification" in context.without:
        return [], False
    results: list[CheckResult] = []
    whole = True
    for check in context.task.public_checks:
        accepted = [s for s in ends if check.model_dump(mode="json") in s.data["acceptance"]]
        if not accepted:
            results.append(await _on_answer(context, check, answer))
            continue
        whole = whole and len(ends) == 1
        undone = next((s for s in accepted if not _verified(s)), None)
        results.append(
            CheckResult(kind=check.kind, passed=True)
            if undone is None
            else undecided(check, UNDONE, undone.data.get("doubt") or f"{undone.title} is open")
        )
    return results, whole


async def _on_answer(context: RunContext, check: Check, answer: str) -> CheckResult:
    try:
        async with context.caller.meter.within():
            return await examine(context.validators, answer, check)
    except BudgetExceeded as error:
        return undecided(check, UNDONE, f"{check.kind}: {error}")


def _checks(context: RunContext, plan: list[str]) -> tuple[str, ...]:
    """Kinds of checks that passed on the steps, with counts, after the checks of the plan."""
    counts: dict[str, int] = {}
    for _, outcome in context.outcomes().values():
        if outcome.status == "verified":
            for check in outcome.checks:
                counts[check.kind] = counts.get(check.kind, 0) + 1
    words = context.domains.evidence
    return (*plan, *(f"{n} checked {words.get(kind, 'by ' + kind)}" for kind, n in counts.items()))


def _join(sections: dict[str, str]) -> str:
    if set(sections) == {""}:
        return sections[""]
    if set(sections) <= set(labels()):
        return join_sections(sections)
    return "\n\n".join(f"{name}:\n{text}" for name, text in sections.items())
