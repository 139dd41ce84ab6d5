"""The contract of a scorer: every one that ``--scorer`` names runs this suite.

A scorer that asks a model asks one here whose log-probabilities follow from the text and the adapter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast, get_args
from zlib import crc32

import numpy as np
import pytest

from harness.report import ScorerName
from specialists.backends.base import Backend, Message, ScoredText
from specialists.registry import Card
from specialists.routing import (
    AbstentionScorer,
    Embedder,
    EmbeddingScorer,
    LearnedModel,
    LearnedScorer,
    LossProbe,
    Posterior,
    PosteriorScorer,
    RawLossProbe,
    Scorer,
    Scores,
    check_scores,
)
from specialists.routing.loss_probe import calibrate
from state import UsageError
from tests.state.words import WordEmbedding
from tiers.domains import installed

CARDS = [
    Card(
        name=name, description=f"does {name}", domain=name, examples=(f"{name} one", f"{name} two"),
        adapter=f"{number:016x}", declines="not mine",
    )
    for number, name in enumerate(("math", "code", "explain"), 1)
]  # fmt: skip
TASKS = ["math with apples", "code with loops", "explain the tide", "something else", ""]


class Words(Embedder):
    """Texts are alike that share words."""

    def embed(self, texts: Sequence[str]) -> Any:
        return WordEmbedding().embed(texts)


class Model:
    """Log-probabilities that follow from the text and the adapter alone."""

    async def score(
        self, pairs: Sequence[tuple[Sequence[Message], str]], adapters: Sequence[str | None]
    ) -> list[list[ScoredText]]:
        return [[self._one(messages, text, a) for a in adapters] for messages, text in pairs]

    def _one(self, messages: Sequence[Message], text: str, adapter: str | None) -> ScoredText:
        asked = "".join(message.content for message in messages)
        nats = 0.1 + crc32(f"{asked}|{text}|{adapter}".encode()) % 1000 / 500
        return ScoredText(adapter=adapter, log_probs=(-nats,) * max(1, len(text.split())))


BACKEND = cast(Backend, Model())


def _loss_probe() -> Scorer:
    calibration = asyncio.run(calibrate(BACKEND, CARDS, TASKS[:4]))
    return LossProbe(BACKEND, calibration, installed().roles)


def _learned() -> Scorer:
    texts = [f"{card.name} number {n}" for n in range(20) for card in CARDS]
    labels = [card.name for _ in range(20) for card in CARDS]
    problems = [f"p{n}" for n in range(20) for _ in CARDS]
    return LearnedScorer(LearnedModel.fit(Words().embed(texts), labels, problems), Words())


def _posterior() -> Scorer:
    vectors = Words().embed([f"{card.name} one" for card in CARDS])
    fitted = Posterior.fit(vectors, [card.name for card in CARDS], [True, True, False])
    return PosteriorScorer(fitted, Words(), seed=3)


MAKERS: dict[str, Callable[[], Scorer]] = {
    "embedding": lambda: EmbeddingScorer(Words()),
    "loss_probe": _loss_probe,
    "loss_probe_raw": lambda: RawLossProbe(BACKEND, installed().roles),
    "abstention": lambda: AbstentionScorer(BACKEND),
    "learned": _learned,
    "posterior": _posterior,
}


@pytest.fixture(scope="module", params=MAKERS)
def scorer(request: pytest.FixtureRequest) -> Scorer:
    return MAKERS[request.param]()


def score(scorer: Scorer, tasks: Sequence[str], cards: Sequence[Card] = CARDS) -> Scores:
    return asyncio.run(scorer.score(tasks, cards))


def test_every_scorer_that_can_be_named_is_here() -> None:
    assert set(MAKERS) == set(get_args(ScorerName))


def test_one_finite_number_for_each_task_and_specialist(scorer: Scorer) -> None:
    found = score(scorer, TASKS)
    assert found.shape == (len(TASKS), len(CARDS))
    for row in found:
        check_scores(row, CARDS)
    assert score(scorer, TASKS[:1]).shape == (1, len(CARDS))


def test_scores_tell_specialists_and_tasks_apart(scorer: Scorer) -> None:
    found = score(scorer, TASKS[:3])
    assert np.ptp(found, axis=0).min() > 0
    assert np.ptp(found, axis=1).min() > 0


def test_a_task_is_scored_alike_alone_and_in_a_batch(scorer: Scorer) -> None:
    alone = np.vstack([score(scorer, [task]) for task in TASKS])
    np.testing.assert_allclose(score(scorer, TASKS), alone, rtol=1e-5, atol=1e-6)


def test_the_same_question_has_the_same_answer(scorer: Scorer) -> None:
    np.testing.assert_array_equal(score(scorer, TASKS), score(scorer, TASKS))


def test_columns_follow_the_cards(scorer: Scorer) -> None:
    turned = score(scorer, TASKS, CARDS[::-1])
    np.testing.assert_allclose(turned[:, ::-1], score(scorer, TASKS), rtol=1e-5, atol=1e-6)


def test_an_empty_fleet_is_refused(scorer: Scorer) -> None:
    with pytest.raises(UsageError, match="the fleet is empty"):
        score(scorer, TASKS, [])
