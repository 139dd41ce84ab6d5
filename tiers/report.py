"""The report: assembles the answer from step artifacts, gives the verdict and closes the root bead."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from specialists.pocket.split import LABELS
from state.status import StopReason, Verdict
from tiers import routines
from tiers.answer import join_sections
from tiers.room import Room


class Result(BaseModel):
    """What the tiers hand out at the end of a run."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    answer: str | None
    reason: StopReason
    checks: tuple[str, ...] = ()


async def conclude(room: Room, reason: StopReason) -> Result:
    """The answer and verdict of the run as it stands in the store.

    ``verified`` takes an answer whose every step passed its checks; a step without a checker makes
    it ``unverified``, never a success; without an answer the run ``failed``, or was ``exhausted``
    when the budget ended it. What the run teaches about such problems is remembered.
    """
    root = room.root
    steps = {s.id: s for s in room.steps()} if "plan" in root.data else {}
    plan = room.find(f"{room.run_id}|plan{root.data.get('plan')}")
    sections: dict[str, str] = {}
    for section, bead_id in (plan.data["answer"] if plan else {}).items():
        artifact = steps[bead_id].data.get("artifact") if bead_id in steps else None
        if artifact is not None:
            sections[section] = artifact
    complete = plan is not None and len(sections) == len(plan.data["answer"])
    outcomes = {s.data.get("outcome") for s in steps.values()}
    if complete and outcomes == {"verified"} and all(s.status == "closed" for s in steps.values()):
        verdict: Verdict = "verified"
    elif reason.kind == "budget":
        verdict = "exhausted"
    elif complete and all(s.status == "closed" for s in steps.values()):
        verdict = "unverified"
    else:
        verdict = "failed"
    answer = _join(sections) if sections else None
    checks = _checks(room, [c["detail"] for c in (plan.data["checks"] if plan else [])])
    result = Result(verdict=verdict, answer=answer, reason=reason, checks=checks)
    await routines.learn(room, verdict)
    data = {
        **root.data, "verdict": verdict, "answer": answer, "checks": list(checks),
        "stop": reason.model_dump(),
    }  # fmt: skip
    says = f"{verdict}: {reason.text}"
    room.store.apply(
        [], {room.root_id: {"status": "closed", "close_reason": says, "data": data}}
    )  # The last word: what is written here was all done.
    room.emit("report", says, verdict=verdict, answer=answer)
    return result


def _checks(room: Room, plan: list[str]) -> tuple[str, ...]:
    """Which kinds of checks passed on the steps, with counts, after those of the plan."""
    counts: dict[str, int] = {}
    for _, outcome in room.outcomes().values():
        if outcome.status == "verified":
            for check in outcome.checks:
                counts[check.kind] = counts.get(check.kind, 0) + 1
    words = {
        "inverse": "by the inverse operation", "cross": "by a second derivation as a program",
        "cites": "for citing every step", "function": "by public checks in the sandbox",
    }  # fmt: skip
    return (*plan, *(f"{n} checked {words.get(kind, 'by ' + kind)}" for kind, n in counts.items()))


def _join(sections: dict[str, str]) -> str:
    if set(sections) == {""}:
        return sections[""]
    if set(sections) <= set(LABELS):
        return join_sections(sections)
    return "\n\n".join(f"{name}:\n{text}" for name, text in sections.items())
