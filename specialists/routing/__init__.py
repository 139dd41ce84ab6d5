"""The room that decides who does what: scorers rate specialists, policies choose among them."""

from specialists.routing.contract import Decision, Policy, Scorer, Scores, check_fleet, check_scores
from specialists.routing.embedder import Embedder
from specialists.routing.embedding import EmbeddingScorer, EmbeddingWeights
from specialists.routing.policies import WinnerTakeAll

__all__ = [
    "Decision",
    "Embedder",
    "EmbeddingScorer",
    "EmbeddingWeights",
    "Policy",
    "Scorer",
    "Scores",
    "WinnerTakeAll",
    "check_fleet",
    "check_scores",
]
