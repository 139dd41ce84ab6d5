"""A scorer and a policy as one router: every task is scored, and its native specialists get a
bonus."""

from __future__ import annotations

import time
from collections.abc import Sequence

from specialists.registry import Card
from specialists.routing.contract import (
    Ask,
    Decision,
    Policy,
    Remembers,
    Scorer,
    allowed,
    check_fleet,
    favoured,
)


class PlainRouter:
    """Scores the whole batch in one call, then chooses task by task."""

    def __init__(self, scorer: Scorer, policy: Policy) -> None:
        self.scorer, self.policy = scorer, policy

    async def route(self, asks: Sequence[Ask], cards: Sequence[Card]) -> list[Decision]:
        """One decision for each ask, in order. Raises ``UsageError`` for an empty fleet or NaN."""
        check_fleet(cards)
        start = time.perf_counter()
        tasks = [ask.task for ask in asks]
        matrix = await self.scorer.score(tasks, cards)
        records: list[dict[str, tuple[float, float]]] = [{}] * len(asks)
        if isinstance(self.scorer, Remembers):
            records = await self.scorer.records(tasks, cards)
        made = []
        for ask, row in zip(asks, matrix, strict=True):
            left, row = allowed(ask, cards), favoured(row, ask, cards, self.policy.temperature)
            made.append(self.policy.choose(row[left], [cards[k] for k in left], ask.key))
        share = (time.perf_counter() - start) / max(1, len(asks))
        return [
            decision.model_copy(update={"cost": share, "records": known})
            for decision, known in zip(made, records, strict=True)
        ]
