"""The fleet: carries out one delegation with one specialist, checks the artifact, and tries again.

Every end is an outcome: only an interruption or a fault of the machine raises an exception.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from datetime import UTC, datetime, timedelta

from specialists.backends.base import Message, Sampling
from specialists.registry import Card
from specialists.routing.forms import declined, legible
from state import Bead, Call
from state.errors import BudgetExceeded, RequestRefused
from state.vectors import INSIGHTS
from tiers import team
from tiers.checking import examine, guarded
from tiers.memory.insights import best_remedy, handover, lessons
from tiers.model_calls import Origin, remarks_on, resample_temperature
from tiers.parts import PARTS
from tiers.prompts import chat, criticism, framed, reads_text, shown
from tiers.protocol import (
    DECLINED,
    NO_ARTIFACT,
    NO_TEXT,
    Assembly,
    Check,
    CheckResult,
    Delegation,
    Failure,
    Outcome,
    Status,
)
from tiers.run_context import RunContext

WARMER = 0.2
"""Increase of the temperature with each further attempt."""
DECIDED: tuple[Status, ...] = ("verified", "failed")
"""Statuses of a delegation that are evidence about its specialist."""
CHECK_SAMPLES = 100
"""First sample number of the calls that checks make, so that they never share a key with an
attempt."""


class Fleet:
    """Executes delegations for one run."""

    def __init__(self, context: RunContext) -> None:
        self.context = context

    async def execute(self, delegation_id: str) -> Outcome:
        """Carry out the delegation and write its outcome to the store."""
        context = self.context
        bead, step = context.order(delegation_id)
        order = Delegation.model_validate(bead.data["delegation"])
        if order.id in context.outcomes():
            return context.outcomes()[order.id][1]
        # The deadline is computed again: a resumed run gives the order its full time.
        due = datetime.now(UTC) + timedelta(seconds=context.lease_s)
        order = order.model_copy(update={"deadline": due})
        if order.assembly is not None:
            return await self._assembled(order, order.assembly, step)
        cards = {c.name: c for c in context.cards}
        orders = {
            n: order.model_copy(update={"specialist": n}) for n in (order.specialist, *order.others)
        }
        ended: dict[str, Outcome] = {}

        async def attempt(name: str) -> Outcome:
            ended[name] = await self._attempts(orders[name], cards[name])
            return ended[name]

        who, outcome = await team.work(order, attempt)
        outcome = outcome.model_copy(
            update={"surprise": self._surprise(order, who, outcome.status)}
        )
        # For a team, the winner's own outcome: it did not repair the other members' faults.
        taught = lessons(context, orders[who], cards[who], step, ended[who])
        await context.settle(step, who, outcome, taught)
        context.memory.vectors.touch([b.id for b in taught if b.kind == "insight"], INSIGHTS)
        self._announce(order, outcome, who)
        return outcome

    async def _assembled(self, order: Delegation, made: Assembly, step: Bead) -> Outcome:
        """Check the artifact that the parts of a step made; no specialist is asked for it."""
        try:
            checks = await self._checks(order, made.artifact, 0)
        except BudgetExceeded as spent:
            outcome = self._outcome(order, "exhausted", (0, made.artifact, ()), [], spent.limit)
        else:
            # Verified parts stand in for the craft's own checks, not for those of the problem.
            public = self.context.validators
            if made.sound and all(c.passed or not (c.refutes or c.kind in public) for c in checks):
                says = f"{order.objective} in {made.parts} parts, each verified"
                checks = (*checks, CheckResult(kind=PARTS, passed=True, detail=says))
            outcome = self._judged(order, made.artifact, checks)
        await self.context.settle(step, order.specialist, outcome)
        self._announce(order, outcome, order.specialist)
        return outcome

    def _judged(self, order: Delegation, artifact: str, checks: tuple[CheckResult, ...]) -> Outcome:
        """The outcome of an artifact that no specialist can repair."""
        best = (sum(c.passed for c in checks), artifact, checks)
        fault = next((c for c in checks if c.refutes), None)
        if fault is None:
            decided = any(c.kind == PARTS for c in checks) or (
                bool(checks) and all(c.passed for c in checks)
            )
            return self._outcome(order, "verified" if decided else "unverified", best, [])
        failure = Failure(
            answer_hash=answer_hash(artifact), cause=fault.signature, passed=best[0],
            fault=fault.detail,
        )  # fmt: skip
        return self._outcome(order, "failed", best, [failure])

    def _announce(self, order: Delegation, outcome: Outcome, who: str) -> None:
        why = outcome.fault or outcome.doubt
        why = f" ({why})" if why else ""
        self.context.emit(
            "outcome", f"{order.objective}: {outcome.status}{why}", step=order.bead_id,
            status=outcome.status, artifact=outcome.artifact, attempts=outcome.attempts,
            specialist=who,
        )  # fmt: skip

    async def _attempts(self, order: Delegation, card: Card) -> Outcome:
        craft = self.context.domains.craft(order.kind, order.meta)
        messages = chat(card, framed(shown(order, card, craft), craft.prompt(order)))
        failed: list[Failure] = []
        checks: tuple[CheckResult, ...] = ()
        artifact: str | None = None
        error: str | None = None
        best: tuple[int, str, tuple[CheckResult, ...]] = (-1, "", ())
        for attempt in range(order.attempts):
            if order.deadline is not None and datetime.now(UTC) > order.deadline:
                break
            artifact = None
            try:
                call = await self.context.caller(
                    card, messages, Origin(order.id, "fleet", attempt),
                    self._sampling(order, card, attempt),
                )  # fmt: skip
                answer = call.response
                if declined(card, answer):
                    # It would decline every sample, so the step belongs to another specialist.
                    error = f"{card.name} declined the task"
                    failed.append(
                        Failure(answer_hash=answer_hash(answer), cause=DECLINED, fault=error)
                    )
                    break
                usable = bool(answer.strip()) and legible(card, answer)
                artifact = craft.extract(order, answer) if usable else None
                checks = (
                    await self._checks(order, artifact, attempt)
                    if artifact is not None
                    else (_formless(call),)
                )
            except RequestRefused as refused:
                if not failed:
                    raise  # Even the first prompt cannot be sent.
                error = f"the next attempt could not be asked: {refused}"
                break
            except BudgetExceeded as spent:
                if artifact is not None and best[0] < 0:
                    # An answer that could not be checked is still an answer.
                    best = (0, artifact, ())
                return self._outcome(order, "exhausted", best, failed, spent.limit)
            passed = sum(c.passed for c in checks)
            fault = next((c for c in checks if c.refutes), None)
            if artifact is not None and fault is None:
                decided = bool(checks) and passed == len(checks)
                status: Status = "verified" if decided else "unverified"
                return self._outcome(order, status, (passed, artifact, checks), failed)
            if artifact is not None and passed > best[0]:
                best = (passed, artifact, checks)
            cause = fault.signature if fault else NO_ARTIFACT
            failed.append(
                Failure(
                    answer_hash=answer_hash(answer), cause=cause, passed=passed,
                    fault=fault.detail if fault else "",
                )
            )  # fmt: skip
            if other := handover(order, cause):
                error = f"handed over after {cause}: {other.says}"
                break
            messages = self._repair(order, card, messages, answer, fault)
        best = best if best[0] >= 0 else (-1, artifact or "", checks)
        return self._outcome(order, "failed", best, failed, error)

    def _sampling(self, order: Delegation, card: Card, attempt: int) -> Sampling:
        fresh = attempt > 0 or order.policy == "resample"
        return Sampling(
            max_tokens=card.max_tokens,
            temperature=resample_temperature(attempt, WARMER) if fresh else 0.0,
            seed=self._seed(order, attempt),
        )

    def _seed(self, order: Delegation, attempt: int) -> int:
        """A seed that differs between any two attempts at the same work."""
        return self.context.seed * 1000 + order.before * 10 + attempt

    async def _checks(
        self, order: Delegation, artifact: str, attempt: int
    ) -> tuple[CheckResult, ...]:
        results: list[CheckResult] = []
        if "verification" in self.context.without:
            return ()
        for number, check in enumerate(order.acceptance):
            async with self.context.caller.meter.within():
                results.append(await self._one(order, number, check, artifact, attempt))
            if results[-1].refutes:
                break
        return tuple(results)

    async def _one(
        self, order: Delegation, number: int, check: Check, artifact: str, attempt: int
    ) -> CheckResult:
        """Run check ``number`` of the order. A check that fails to run is inconclusive."""
        if check.kind in self.context.validators:
            return await examine(self.context.validators, artifact, check)
        asked: Counter[tuple[str, str]] = Counter()

        async def ask(card: Card, prompt: str, sample: int) -> str:
            # A check that was wrong once is not asked in the same way again.
            again = attempt + asked[card.name, prompt]
            asked[card.name, prompt] += 1
            sampling = Sampling(
                max_tokens=card.max_tokens,
                temperature=resample_temperature(again, WARMER) if again else 0.0,
                seed=self._seed(order, again),
            )
            origin = Origin(order.id, "fleet", attempt, CHECK_SAMPLES + number * 10 + sample)
            return (await self.context.caller(card, chat(card, prompt), origin, sampling)).response

        craft = self.context.domains.craft(order.kind, order.meta)
        return await guarded(check, craft.check(self.context, order, check, artifact, ask))

    @staticmethod
    def _repair(
        order: Delegation,
        card: Card,
        messages: tuple[Message, ...],
        answer: str,
        fault: CheckResult | None,
    ) -> tuple[Message, ...]:
        """The messages of the next attempt: a specialist that can read criticism is shown the
        failing check, and what helped against such a fault before."""
        if not reads_text(card) or fault is None or not answer.strip():
            return messages  # An answer without text gives the specialist nothing to read.
        says = criticism(fault.detail)
        if remedy := best_remedy(order.remedies, fault.signature):
            says += f" From earlier work: {remedy.says}."
        return (
            *messages[:2],
            Message(role="assistant", content=answer),
            Message(role="user", content=says),
        )

    def _surprise(self, order: Delegation, name: str, status: Status) -> float | None:
        """−log p of ``status`` under the specialist's posterior, in nats: routing's record on such
        work, Beta(1, 1) without one, updated by the specialist's outcomes in this run.

        ``None`` where nothing was decided; such outcomes are no evidence either.
        """
        if status not in DECIDED:
            return None
        alpha, beta = order.records.get(name, (1.0, 1.0))
        outcomes = self.context.outcomes().values()
        past = [o.status for who, o in outcomes if who == name and o.status in DECIDED]
        won = past.count("verified")
        p = (alpha + won) / (alpha + beta + len(past))
        return -math.log(p if status == "verified" else 1 - p)

    @staticmethod
    def _outcome(
        order: Delegation,
        status: Status,
        best: tuple[int, str, tuple[CheckResult, ...]],
        failed: list[Failure],
        error: str | None = None,
    ) -> Outcome:
        answered = status in ("verified", "unverified")
        return Outcome(
            delegation_id=order.id, status=status, artifact=best[1] or None, checks=best[2],
            attempts=len(failed) + answered, failures=tuple(failed), error=error,
        )  # fmt: skip


def _formless(call: Call) -> CheckResult:
    """Why an answer holds no artifact: it is empty, was cut off, or has another form."""
    if says := remarks_on(call).get("empty"):
        return CheckResult(kind="form", passed=False, detail=says, signature=NO_TEXT)
    if call.finish_reason == "length":
        detail = f"the answer was cut off after {call.completion_tokens} tokens"
        return CheckResult(kind="form", passed=False, detail=detail, signature="cut-off")
    detail = "the answer holds no result"
    return CheckResult(kind="form", passed=False, detail=detail, signature=NO_ARTIFACT)


def answer_hash(answer: str) -> str:
    """Hash that represents an answer in a :class:`tiers.protocol.Failure`."""
    return hashlib.sha256(answer.encode()).hexdigest()[:8]
