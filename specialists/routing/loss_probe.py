"""Routing by loss: how well each adapter predicts the text of the task.

There are two scorers. :class:`RawLossProbe` is the two-stage scorer of the Sequential Specialist
router, kept for comparison; raw perplexity of a query measures familiarity of style, not
competence. :class:`LossProbe` corrects for that: it measures how many bits per byte an adapter
saves against its base, in units of that adapter's own spread on calibration texts, with the native
role as a prior.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from specialists.backends.base import Backend, Frozen, Message, ScoredText
from specialists.registry import Card, fleet_version
from specialists.routing.contract import Scores, check_fleet, natives
from specialists.routing.roles import role_of
from state import UsageError

PREFIX = {"solve": "Solve: ", "explain": "Explain: ", "code": "Code: "}
"""Role prefixes of the second stage."""
PRUNED = 1e3
"""Nats per token added to the loss of an expert that the first stage has pruned."""

Floats = NDArray[np.float64]
Roles = Mapping[str, Sequence[str]]
"""Role in a request → domains of the cards that take it; the first one that the fleet has
counts."""


class ProbeCalibration(Frozen):
    """Mean and standard deviation of Δ (bits per byte) of each specialist on calibration texts."""

    fleet: str
    """``fleet_version`` of the cards that were calibrated."""
    texts: int = Field(ge=2)
    mean: dict[str, float]
    deviation: dict[str, float]

    @classmethod
    def read(cls, file: Path) -> ProbeCalibration:
        """Read a calibration. Raises ``UsageError`` if there is none, or it is malformed."""
        try:
            return cls.model_validate_json(file.read_text("utf-8"))
        except OSError:
            raise UsageError(
                "the loss probe is not calibrated for this fleet: run `harness router calibrate`"
            ) from None
        except ValidationError as error:
            raise UsageError(f"{file}: is no calibration: {error.errors()[0]['msg']}") from None

    def check(self, cards: Sequence[Card]) -> None:
        """Raise ``UsageError`` if the calibration is for another fleet."""
        if self.fleet != fleet_version(cards):
            raise UsageError(
                "the loss probe's calibration is stale, the fleet has changed: run "
                "`harness router calibrate`"
            )


class RawLossProbe:
    """Mean token cross-entropy in two stages; scores are negative losses in nats per token.

    Stage 1 scores the query under every expert and keeps those with loss ≤ (1 + ``tau``) · min.
    Stage 2 scores it again behind its role's prefix; the native expert keeps the role unless
    another's loss is at least ``margin`` lower.
    """

    def __init__(
        self, backend: Backend, roles: Roles, *, tau: float = 0.5, margin: float = 0.2
    ) -> None:
        if tau < 0 or not 0 <= margin < 1:
            raise UsageError(f"tau is 0 or more and margin in [0, 1), not {tau}, {margin}")
        self._backend, self._native, self._tau, self._margin = backend, roles, tau, margin

    async def score(self, tasks: Sequence[str], cards: Sequence[Card]) -> Scores:
        """Scores (tasks, cards). Raises ``UsageError`` for an empty fleet."""
        check_fleet(cards)
        roles = [role_of(task) for task in tasks]
        prefixed = [
            f"{PREFIX[role]}{task}" if role else task
            for role, task in zip(roles, tasks, strict=True)
        ]
        found = await _losses(self._backend, [*tasks, *prefixed], cards)
        whole, segment = found[: len(tasks)], found[len(tasks) :].copy()
        for row, role in zip(segment, roles, strict=True):
            native = native_card(cards, self._native.get(role or "", ()))
            if native is not None:
                row[native] *= 1 - self._margin
        pruned = whole > (1 + self._tau) * whole.min(axis=1, keepdims=True)
        scores: Scores = -(segment + PRUNED * pruned)
        return scores


class LossProbe:
    """Log-odds of competence: −z(Δ) + the native prior, Δ = bits per byte under adapter − base.

    All adapters and the base are scored in one mixed batch. Raises ``UsageError`` for a calibration
    of another fleet. ``prior`` is added for native specialists, in nats of odds.
    """

    def __init__(
        self, backend: Backend, calibration: ProbeCalibration, roles: Roles, *,
        prior: float = math.log(4),
    ) -> None:  # fmt: skip
        self._backend, self._calibration, self._native = backend, calibration, roles
        self._prior = prior

    async def score(self, tasks: Sequence[str], cards: Sequence[Card]) -> Scores:
        """Scores (tasks, cards). Raises ``UsageError`` for an empty fleet or a stale calibration."""
        check_fleet(cards)
        self._calibration.check(cards)
        delta = await bits_saved(self._backend, tasks, cards)
        mean = np.array([self._calibration.mean[c.name] for c in cards])
        spread = np.array([self._calibration.deviation[c.name] for c in cards])
        scores: Scores = -(delta - mean) / spread
        for row, task in zip(scores, tasks, strict=True):
            native = native_card(cards, self._native.get(role_of(task) or "", ()))
            if native is not None:
                row[native] += self._prior
        return scores


async def calibrate(
    backend: Backend, cards: Sequence[Card], texts: Sequence[str]
) -> ProbeCalibration:
    """Mean and spread of Δ by specialist over ``texts``, such as the cards' example tasks.

    Raises ``UsageError`` for fewer than two texts.
    """
    check_fleet(cards)
    if len(texts) < 2:
        raise UsageError(f"a calibration needs at least two texts, not {len(texts)}")
    delta = await bits_saved(backend, texts, cards)
    spread = np.maximum(delta.std(axis=0, ddof=1), 1e-6)
    return ProbeCalibration(
        fleet=fleet_version(cards), texts=len(texts),
        mean={c.name: float(m) for c, m in zip(cards, delta.mean(axis=0), strict=True)},
        deviation={c.name: float(s) for c, s in zip(cards, spread, strict=True)},
    )  # fmt: skip


async def bits_saved(backend: Backend, tasks: Sequence[str], cards: Sequence[Card]) -> Floats:
    """Bits per byte of each task under each card's adapter minus those under the base."""
    adapters = [None, *(c.adapter for c in cards)]
    scored = await backend.score([(_before(), task) for task in tasks], adapters)
    bits = np.array([[_nats(s) / math.log(2) for s in row] for row in scored], dtype=np.float64)
    sizes = np.array([max(1, len(task.encode())) for task in tasks], dtype=np.float64)
    found: Floats = (bits[:, 1:] - bits[:, :1]) / sizes[:, None]
    return found


def native_card(cards: Sequence[Card], domains: Sequence[str]) -> int | None:
    """Index of the first card of the first of ``domains`` that the fleet has; ``None`` if there is
    none."""
    names = natives(cards, domains)
    return next((k for k, card in enumerate(cards) if card.name in names), None)


async def _losses(backend: Backend, texts: Sequence[str], cards: Sequence[Card]) -> Floats:
    """Mean token cross-entropy (texts, cards), in nats."""
    scored = await backend.score([(_before(), t) for t in texts], [c.adapter for c in cards])
    return np.array(
        [[_nats(s) / max(1, len(s.log_probs)) for s in row] for row in scored], dtype=np.float64
    )


def _nats(scored: ScoredText) -> float:
    return -sum(scored.log_probs)


def _before() -> tuple[Message, ...]:
    """The messages before a probed text: an empty turn of the user, the same for all adapters."""
    return (Message(role="user", content=""),)
