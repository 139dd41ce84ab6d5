"""Opens the router that the options ask for: a scorer, a policy, and the adaptive wrapper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.report import RunOptions, ScorerName
from specialists.backends.base import Backend
from specialists.registry import Card
from specialists.routing import (
    AbstentionScorer,
    AdaptiveRouter,
    AdaptiveSettings,
    Cascade,
    Embedder,
    EmbeddingScorer,
    Ensemble,
    LearnedModel,
    LearnedScorer,
    LossProbe,
    PlainRouter,
    Policy,
    Posterior,
    PosteriorScorer,
    Probabilistic,
    ProbeCalibration,
    RawLossProbe,
    Router,
    Scorer,
    WinnerTakeAll,
)
from specialists.routing.abstention import check_declines
from specialists.routing.policies import TEMPERATURE
from specialists.routing.stored import newest
from state import BeadStore, home
from state.errors import UsageError
from state.transactions import chunks
from tiers.domains import installed

SOFTMAX: dict[str, float] = {
    "embedding": TEMPERATURE, "loss_probe": 1.0, "loss_probe_raw": TEMPERATURE,
    "abstention": 1.0, "learned": 1.0,
    "posterior": TEMPERATURE,
}  # fmt: skip
"""Temperature by scorer: 1 where scores are log-odds or log-probabilities."""


def routing_home() -> Path:
    """Folder of trained routers, calibrations and snapshots."""
    return home() / "routing"


def calibration_file() -> Path:
    """File of the loss probe's calibration."""
    return routing_home() / "loss_probe.json"


def routed(cards: Sequence[Card]) -> list[Card]:
    """The cards that may be routed to; controls exist for comparison only."""
    return [card for card in cards if card.status != "control"]


def open_router(
    options: RunOptions, backend: Backend, cards: Sequence[Card], store: BeadStore
) -> Router:
    """The router of a run; embedding models are loaded at first use.

    Raises ``UsageError`` for a scorer that is not trained, or stale.
    """
    fleet = routed(cards)
    embedder = Embedder(options.embedder)
    if options.specialist is not None:  # A forced specialist needs no routing.
        return PlainRouter(EmbeddingScorer(embedder), WinnerTakeAll())
    scorer = open_scorer(options.scorer, backend, fleet, embedder, seed=options.seed)
    temperature = SOFTMAX[options.scorer]
    if options.routing_mode != "adaptive":
        policy = open_policy(
            options.routing_mode, temperature, seed=options.seed, costs=mean_tokens(store, fleet)
        )
        return PlainRouter(scorer, policy)
    return AdaptiveRouter(
        scorer, WinnerTakeAll(temperature), fallback=EmbeddingScorer(embedder),
        settings=AdaptiveSettings(temperature=temperature),
        snapshot=routing_home() / f"adaptive-{options.scorer}.npz", seed=options.seed,
    )  # fmt: skip


def open_scorer(
    name: ScorerName, backend: Backend, fleet: Sequence[Card], embedder: Embedder, *, seed: int = 0
) -> Scorer:
    """A scorer by name. Raises ``UsageError`` where it is not trained for this fleet."""
    if name == "embedding":
        return EmbeddingScorer(embedder)
    if name in ("loss_probe", "loss_probe_raw") and len({c.adapter for c in fleet}) < 2:
        raise UsageError(
            f"--scorer {name} compares adapters, and this fleet has none: use --scorer embedding"
        )
    if name == "loss_probe_raw":
        return RawLossProbe(backend, installed().roles)
    if name == "abstention":
        check_declines(fleet)
        return AbstentionScorer(backend)
    if name == "loss_probe":
        calibration = ProbeCalibration.read(calibration_file())
        calibration.check(fleet)
        return LossProbe(backend, calibration, installed().roles)
    stored = newest(routing_home(), name).check(fleet)
    if name == "learned":
        return LearnedScorer(LearnedModel.restore(stored.state), embedder)
    return PosteriorScorer(Posterior.restore(stored.state), embedder, seed=seed)


def open_policy(name: str, temperature: float, *, seed: int, costs: dict[str, float]) -> Policy:
    """A policy by the name of its routing mode."""
    if name == "probabilistic":
        return Probabilistic(temperature, seed=seed)
    if name == "ensemble":
        return Ensemble(temperature)
    if name == "cascade":
        return Cascade(temperature, costs=costs)
    return WinnerTakeAll(temperature)


def mean_tokens(store: BeadStore, fleet: Sequence[Card]) -> dict[str, float]:
    """Mean tokens of a call by specialist, from the ledger; for those with calls on record."""
    from state.ledger import LOST

    found: dict[str, float] = {}
    for those, values in chunks([card.name for card in fleet]):
        sql = (
            'SELECT specialist, avg(prompt_tokens + completion_tokens) FROM "call" '
            f"WHERE specialist IN {those} AND finish_reason <> %(lost)s GROUP BY specialist"
        )
        rows = store.database.rows(sql, {**values, "lost": LOST})
        found |= {name: float(mean) for name, mean in rows}
    return found
