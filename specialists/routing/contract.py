"""The interfaces of routing: a scorer rates every specialist, a policy turns ratings into a choice.

A router combines the two for a batch: :class:`specialists.routing.plain.PlainRouter` scores every
task, :class:`specialists.routing.adaptive.AdaptiveRouter` only those that need it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from specialists.backends.base import Frozen
from specialists.registry import Card
from state import UsageError

Scores = NDArray[np.float64]

Path = Literal["expensive", "fast", "cache", "degraded", "forced"]

Team = Literal["one", "ensemble", "cascade"]
"""Kinds of team: one specialist; several at once, of which the best checked answer wins; several in
turn until one passes."""


class Decision(Frozen):
    """A choice of specialists and its basis."""

    specialist: str
    scores: dict[str, float]
    """Score of every card, by name."""
    confidence: float
    """Confidence in [0, 1]; each policy defines how it is computed."""
    path: Path = "expensive"
    """The part of an adaptive router that decided; plain routers score every task; ``forced`` is a
    person's choice."""
    team: Team = "one"
    others: tuple[str, ...] = ()
    """Further specialists of the team, in order; empty for a single specialist."""
    records: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Beta parameters of verified success on such a task, by specialist, where a scorer knows them."""
    cost: float = 0.0
    """Seconds that the decision took; a batch shares its time equally."""


class Scorer(Protocol):
    """Rates specialists; higher is better, on the scorer's own scale."""

    async def score(self, tasks: Sequence[str], cards: Sequence[Card]) -> Scores:
        """Scores (tasks, cards). Raises ``UsageError`` for an empty fleet."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A scorer with records of how specialists did."""

    async def records(
        self, tasks: Sequence[str], cards: Sequence[Card]
    ) -> list[dict[str, tuple[float, float]]]:
        """Specialist → Beta parameters of success, for each task."""
        ...


class Policy(Protocol):
    """Chooses specialists for one task."""

    temperature: float
    """Temperature of the softmax that turns scores into probabilities."""

    def choose(self, scores: Scores, cards: Sequence[Card], key: str = "") -> Decision:
        """Turn one row of scores (cards,) into a decision.

        ``key`` identifies the task for policies that sample: equal keys give equal samples. Raises
        ``UsageError`` for an empty fleet, a row of another length, or NaN.
        """
        ...


@dataclass(frozen=True)
class Ask:
    """One task to route."""

    task: str
    key: str = ""
    """Identifies the task for policies that sample."""
    barred: frozenset[str] = frozenset()
    """Specialists that have failed on the task; ignored when no other is left."""
    native: frozenset[str] = frozenset()
    """Specialists that the kind of work belongs to; see :func:`favoured`."""


class Router(Protocol):
    """Decides for a batch of tasks."""

    async def route(self, asks: Sequence[Ask], cards: Sequence[Card]) -> list[Decision]:
        """One decision for each ask, in order. Raises ``UsageError`` for an empty fleet."""
        ...


def allowed(ask: Ask, cards: Sequence[Card]) -> list[int]:
    """Indices of the cards that ``ask`` does not bar; all of them when it bars every one."""
    left = [k for k, card in enumerate(cards) if card.name not in ask.barred]
    return left or list(range(len(cards)))


NATIVE_ODDS = 30.0
"""Prior odds of a native specialist to be the right one, compared with another."""


def favoured(row: Scores, ask: Ask, cards: Sequence[Card], temperature: float) -> Scores:
    """A row of scores (cards,) with the native prior added: odds of :data:`NATIVE_ODDS`, on the
    scale on which softmax(scores / ``temperature``) are probabilities."""
    native = np.array([card.name in ask.native for card in cards])
    found: Scores = row + native * (temperature * math.log(NATIVE_ODDS))
    return found


def natives(cards: Sequence[Card], domains: Sequence[str]) -> frozenset[str]:
    """Names of the specialists of the first of ``domains`` that the fleet has; empty where it has
    none of them."""
    for domain in domains:
        if names := frozenset(card.name for card in cards if card.domain == domain):
            return names
    return frozenset()


def check_fleet(cards: Sequence[Card]) -> None:
    """Raise ``UsageError`` for an empty fleet."""
    if not cards:
        raise UsageError("the fleet is empty: there is no specialist to route to")


def check_scores(scores: Scores, cards: Sequence[Card]) -> None:
    """Raise ``UsageError`` unless ``scores`` is one finite number for each card."""
    check_fleet(cards)
    if scores.shape != (len(cards),):
        raise UsageError(
            f"scores have shape {scores.shape}, the fleet has {len(cards)} specialists"
        )
    bad = [card.name for card, score in zip(cards, scores, strict=True) if not np.isfinite(score)]
    if bad:
        raise UsageError(f"scores of {', '.join(bad)} are not finite numbers")
