"""Policies, which turn scores into a choice."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from specialists.registry import Card
from specialists.routing.contract import Decision, Scores, Team, check_scores
from state import UsageError

TEMPERATURE = 0.1
"""Temperature of the softmax over scores; fits scorers whose scores differ by about one at most."""


def shares(scores: Scores, temperature: float) -> Scores:
    """softmax(scores / temperature) over the last axis."""
    powers = np.exp((scores - scores.max(axis=-1, keepdims=True)) / temperature)
    found: Scores = powers / powers.sum(axis=-1, keepdims=True)
    return found


class _Softmax:
    """Common part of all policies: a temperature, and the decision from a row of scores."""

    def __init__(self, temperature: float = TEMPERATURE) -> None:
        if not temperature > 0:
            raise UsageError(f"temperature must be positive, not {temperature}")
        self.temperature = temperature

    def _shares(self, scores: Scores, cards: Sequence[Card]) -> Scores:
        check_scores(scores, cards)
        return shares(scores, self.temperature)

    @staticmethod
    def _decision(
        scores: Scores, cards: Sequence[Card], order: Sequence[int], confidence: float,
        team: Team = "one",
    ) -> Decision:  # fmt: skip
        return Decision(
            specialist=cards[order[0]].name,
            scores={card.name: float(s) for card, s in zip(cards, scores, strict=True)},
            confidence=confidence,
            team=team if len(order) > 1 else "one",
            others=tuple(cards[k].name for k in order[1:]),
        )


class WinnerTakeAll(_Softmax):
    """The highest score wins, the earlier card in a tie.

    Confidence is the winner's share of softmax(scores / temperature): a margin in [1/cards, 1], not
    a calibrated probability.
    """

    def choose(self, scores: Scores, cards: Sequence[Card], key: str = "") -> Decision:
        """Turn one row of scores (cards,) into a decision.

        Raises ``UsageError`` for an empty fleet, a row of another length, or NaN.
        """
        share = self._shares(scores, cards)
        winner = int(scores.argmax())
        return self._decision(scores, cards, [winner], float(share[winner]))


class Probabilistic(_Softmax):
    """Samples a specialist with probability softmax(scores / temperature).

    The sample depends on ``seed`` and the task's key alone, so a resumed run decides as before.
    Confidence is the share of the sampled specialist.
    """

    def __init__(self, temperature: float = TEMPERATURE, *, seed: int = 0) -> None:
        super().__init__(temperature)
        self._seed = seed

    def choose(self, scores: Scores, cards: Sequence[Card], key: str = "") -> Decision:
        """Like :meth:`WinnerTakeAll.choose`, but samples."""
        share = self._shares(scores, cards)
        digest = hashlib.sha256(f"{self._seed}|{key}".encode()).digest()
        at = int.from_bytes(digest[:8], "big") / 2**64
        taken = min(int(np.searchsorted(share.cumsum(), at, side="right")), len(cards) - 1)
        return self._decision(scores, cards, [taken], float(share[taken]))


class Ensemble(_Softmax):
    """The ``size`` specialists with the highest scores work at once; the answer that passes most
    public checks wins.

    Ties go to the higher score. Confidence is the sum of their shares.
    """

    def __init__(self, temperature: float = TEMPERATURE, *, size: int = 3) -> None:
        super().__init__(temperature)
        if size < 2:
            raise UsageError(f"an ensemble has at least two members, not {size}")
        self._size = size

    def choose(self, scores: Scores, cards: Sequence[Card], key: str = "") -> Decision:
        """Like :meth:`WinnerTakeAll.choose`, but for a team."""
        share = self._shares(scores, cards)
        best = [int(k) for k in np.argsort(-scores, kind="stable")[: self._size]]
        return self._decision(scores, cards, best, float(share[best].sum()), "ensemble")


class Cascade(_Softmax):
    """The cheapest acceptable specialist first, then more expensive ones while verification fails.

    A specialist is acceptable if it has at least ``floor`` of the winner's share; the winner always
    is. At equal prices the higher score goes first. ``costs`` are relative prices of an answer by
    name; a specialist without one costs as much as its longest answer, in tokens
    (``Card.max_tokens``).
    """

    def __init__(
        self,
        temperature: float = TEMPERATURE,
        *,
        costs: Mapping[str, float] | None = None,
        floor: float = 0.1,
        most: int = 3,
    ) -> None:
        super().__init__(temperature)
        if not 0 <= floor <= 1:
            raise UsageError(f"the floor of a cascade is in [0, 1], not {floor}")
        self._costs, self._floor, self._most = dict(costs or {}), floor, most

    def choose(self, scores: Scores, cards: Sequence[Card], key: str = "") -> Decision:
        """Like :meth:`WinnerTakeAll.choose`, but for a sequence; ``most`` bounds its length."""
        share = self._shares(scores, cards)
        fit = [k for k in range(len(cards)) if share[k] >= self._floor * share.max()]
        fit = sorted(fit, key=lambda k: -scores[k])[: self._most]
        fit.sort(key=lambda k: (self._costs.get(cards[k].name, cards[k].max_tokens), -scores[k]))
        return self._decision(scores, cards, fit, float(share[fit].sum()), "cascade")
