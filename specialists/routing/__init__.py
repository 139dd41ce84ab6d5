"""Routing: scorers rate specialists for a task, and policies choose among them."""

from specialists.routing.abstention import AbstentionScorer
from specialists.routing.adaptive import AdaptiveRouter
from specialists.routing.contract import (
    Ask,
    Decision,
    Policy,
    Router,
    Scorer,
    Scores,
    Team,
    check_fleet,
    check_scores,
    natives,
)
from specialists.routing.embedder import Embedder
from specialists.routing.embedding import EmbeddingScorer, EmbeddingWeights
from specialists.routing.learned import LearnedModel, LearnedScorer
from specialists.routing.loss_probe import LossProbe, ProbeCalibration, RawLossProbe
from specialists.routing.plain import PlainRouter
from specialists.routing.policies import Cascade, Ensemble, Probabilistic, WinnerTakeAll
from specialists.routing.posterior import Posterior, PosteriorScorer
from specialists.routing.var import AdaptiveCore, AdaptiveSettings

__all__ = [
    "AbstentionScorer",
    "AdaptiveCore",
    "AdaptiveRouter",
    "AdaptiveSettings",
    "Ask",
    "Cascade",
    "Decision",
    "Embedder",
    "EmbeddingScorer",
    "EmbeddingWeights",
    "Ensemble",
    "LearnedModel",
    "LearnedScorer",
    "LossProbe",
    "PlainRouter",
    "Policy",
    "Posterior",
    "PosteriorScorer",
    "Probabilistic",
    "ProbeCalibration",
    "RawLossProbe",
    "Router",
    "Scorer",
    "Scores",
    "Team",
    "WinnerTakeAll",
    "check_fleet",
    "check_scores",
    "natives",
]
