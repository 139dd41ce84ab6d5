"""The fleet: carries out one delegation with one specialist, checks the artifact, tries again.

Whatever happens is an outcome: nothing but an interruption or a fault of the machine leaves by
exception.
"""

from __future__ import annotations

import hashlib
import math
import time

from specialists.backends.base import Message, Sampling
from specialists.registry import Card
from state.errors import BudgetExceeded
from tiers import team
from tiers.calls import Origin
from tiers.protocol import CheckResult, Delegation, Outcome, Status
from tiers.room import Room, chat
from tiers.work import CRAFTS

RESAMPLE_TEMPERATURE = 0.6


class Fleet:
    """Executes delegations for one run."""

    def __init__(self, room: Room) -> None:
        self.room = room

    async def execute(self, delegation_id: str) -> Outcome:
        """Do what the delegation says and write its outcome to the store."""
        room = self.room
        bead = room.store.get(delegation_id)
        order = Delegation.model_validate(bead.data["delegation"])
        if order.id in room.outcomes():
            return room.outcomes()[order.id][1]
        cards = {c.name: c for c in room.cards}
        who, outcome = await team.work(order, lambda name: self._attempts(order, cards[name]))
        outcome = outcome.model_copy(update={"surprise": self._surprise(who, outcome.status)})
        room.settle(order.bead_id, who, outcome)
        why = f" ({outcome.fault})" if outcome.fault else ""
        room.emit(
            "outcome", f"{order.objective}: {outcome.status}{why}", step=order.bead_id,
            status=outcome.status, artifact=outcome.artifact, attempts=outcome.attempts,
            specialist=who,
        )  # fmt: skip
        return outcome

    async def _attempts(self, order: Delegation, card: Card) -> Outcome:
        craft = CRAFTS[order.kind]
        prompt = craft.prompt(order)
        messages = chat(card, prompt)
        signatures: list[str] = []
        checks: tuple[CheckResult, ...] = ()
        artifact: str | None = None
        best: tuple[int, str, tuple[CheckResult, ...]] = (-1, "", ())
        for attempt in range(order.attempts):
            if order.deadline is not None and time.time() > order.deadline:
                break
            try:
                answer = await self.room.caller(
                    card, messages, Origin(order.id, "fleet", attempt),
                    self._sampling(order, card, attempt),
                )  # fmt: skip
                artifact = craft.extract(order, answer)
                checks = await self._checks(order, artifact, attempt)
            except BudgetExceeded as error:
                return self._outcome(order, "exhausted", best, attempt, signatures, str(error))
            passed = sum(c.passed for c in checks)
            if artifact is not None and passed > best[0]:
                best = (passed, artifact, checks)
            if artifact is not None and not checks:
                return self._outcome(order, "unverified", best, attempt + 1, signatures)
            if artifact is not None and passed == len(checks):
                return self._outcome(order, "verified", best, attempt + 1, signatures)
            fault = next((c for c in checks if not c.passed), None)
            answered = hashlib.sha256(answer.encode()).hexdigest()[:8]
            signatures.append(f"{answered}:{fault.signature if fault else 'no-artifact'}")
            messages = self._repair(card, messages, answer, fault)
        best = best if best[0] >= 0 else (-1, artifact or "", checks)
        return self._outcome(order, "failed", best, order.attempts, signatures)

    def _sampling(self, order: Delegation, card: Card, attempt: int) -> Sampling:
        fresh = attempt > 0 or order.policy == "resample"
        return Sampling(
            max_tokens=card.max_tokens,
            temperature=RESAMPLE_TEMPERATURE if fresh else 0.0,
            seed=self.room.seed * 1000 + attempt,
        )

    async def _checks(
        self, order: Delegation, artifact: str | None, attempt: int
    ) -> tuple[CheckResult, ...]:
        if artifact is None:
            detail = "the answer holds no result"
            return (CheckResult(kind="form", passed=False, detail=detail, signature="no-artifact"),)
        results = []
        for number, check in enumerate(order.acceptance):
            validator = self.room.validators.get(check.kind)
            if validator is not None:
                results.append(await validator.validate(artifact, check))
            else:

                async def ask(card: Card, prompt: str, sample: int, base: int = number) -> str:
                    # Samples from 100 on are checks, so they never meet an attempt's own key.
                    origin = Origin(order.id, "fleet", attempt, 100 + base * 10 + sample)
                    sampling = Sampling(max_tokens=card.max_tokens)
                    return await self.room.caller(card, chat(card, prompt), origin, sampling)

                results.append(
                    await CRAFTS[order.kind].check(self.room, order, check, artifact, ask)
                )
            if not results[-1].passed:
                break
        return tuple(results)

    @staticmethod
    def _repair(
        card: Card, messages: tuple[Message, ...], answer: str, fault: CheckResult | None
    ) -> tuple[Message, ...]:
        """The next attempt's prompt: a specialist that can read criticism sees the failing check."""
        if card.retry == "resample" or fault is None:
            return messages
        criticism = f"That is not right: {fault.detail}. Answer again, in full."
        return (
            *messages[:2],
            Message(role="assistant", content=answer),
            Message(role="user", content=criticism),
        )

    def _surprise(self, name: str, status: Status) -> float:
        """−log p of ``status`` under the specialist's Beta(1, 1) record in this run, in nats."""
        past = [o for who, o in self.room.outcomes().values() if who == name]
        won = sum(o.status == "verified" for o in past)
        p = (won + 1) / (len(past) + 2)
        return -math.log(p if status == "verified" else 1 - p)

    @staticmethod
    def _outcome(
        order: Delegation,
        status: Status,
        best: tuple[int, str, tuple[CheckResult, ...]],
        attempts: int,
        signatures: list[str],
        error: str | None = None,
    ) -> Outcome:
        return Outcome(
            delegation_id=order.id, status=status, artifact=best[1] or None, checks=best[2],
            attempts=attempts, signatures=tuple(signatures), error=error,
        )  # fmt: skip
