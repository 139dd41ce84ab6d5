"""Routing by who would decline: on a table of probabilities, and on the pocket fleet itself."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any, cast

import pytest

from harness.report import RunOptions
from harness.routing import open_scorer, routed
from harness.wiring import open_backend
from specialists.backends.base import Message, ScoredText
from specialists.pocket.domains import CELLS, SPECIALISTS, held_out_examples
from specialists.registry import Card
from specialists.routing import AbstentionScorer, Embedder
from state import UsageError

CARDS = [
    Card(name=n, description=n, domain=n, adapter=f"{k:016x}", declines="not mine")
    for k, n in enumerate(("math", "code"), 1)
]


class Refusals:
    """P(refusal) by adapter, over two tokens."""

    def __init__(self, chance: dict[str | None, float]) -> None:
        self.chance = chance
        self.asked: list[tuple[str, str]] = []

    async def score(
        self, pairs: Sequence[tuple[Sequence[Message], str]], adapters: Sequence[str | None]
    ) -> list[list[ScoredText]]:
        self.asked += [(messages[-1].content, text) for messages, text in pairs]
        return [
            [ScoredText(adapter=a, log_probs=(math.log(self.chance[a]) / 2,) * 2) for a in adapters]
            for _ in pairs
        ]


def score(backend: Any, cards: Sequence[Card] = CARDS) -> Any:
    return asyncio.run(AbstentionScorer(backend).score(["3 + 4"], cards))[0]


def test_scores_are_the_log_odds_of_taking_the_task() -> None:
    backend = Refusals({CARDS[0].adapter: 0.2, CARDS[1].adapter: 0.75})
    assert score(backend) == pytest.approx([math.log(4), -math.log(3)])
    assert backend.asked == [("3 + 4", "not mine")]


def test_certainty_stays_finite() -> None:
    found = score(Refusals({CARDS[0].adapter: 1.0, CARDS[1].adapter: 1e-300}))
    assert found == pytest.approx([-math.log(1e9), math.log(1e9)], rel=1e-3)


def test_every_specialist_is_asked_in_its_own_words() -> None:
    other = CARDS[1].model_copy(update={"declines": "ask elsewhere"})
    backend = Refusals({CARDS[0].adapter: 0.5, other.adapter: 0.9})
    assert score(backend, [CARDS[0], other]) == pytest.approx([0.0, -math.log(9)])
    assert [text for _, text in backend.asked] == ["not mine", "ask elsewhere"]


def test_who_never_learned_to_decline_cannot_be_asked() -> None:
    with pytest.raises(UsageError, match="code was not trained to decline"):
        score(Refusals({}), [CARDS[0], CARDS[1].model_copy(update={"declines": None})])


@pytest.mark.slow
def test_the_pocket_fleet_knows_its_own() -> None:
    async def main() -> list[tuple[str, str]]:
        backend, cards = await open_backend(RunOptions())
        fleet = [card for card in routed(cards) if card.domain in SPECIALISTS]
        tasks = [
            (card.domain, example.prompt)
            for card in fleet
            for cell in CELLS[card.domain]
            for example in held_out_examples(card.domain, cell, 3, seed=1)
        ]
        scores = await AbstentionScorer(backend).score([text for _, text in tasks], fleet)
        await backend.close()
        return [
            (domain, fleet[int(row.argmax())].domain)
            for (domain, _), row in zip(tasks, scores, strict=True)
        ]

    found = asyncio.run(main())
    assert sum(own == chosen for own, chosen in found) >= 0.97 * len(found)


def test_a_fleet_that_cannot_decline_is_refused_before_a_run() -> None:
    plain = [card.model_copy(update={"declines": None}) for card in CARDS]
    with pytest.raises(UsageError, match="math was not trained to decline"):
        open_scorer("abstention", cast(Any, Refusals({})), plain, Embedder())
