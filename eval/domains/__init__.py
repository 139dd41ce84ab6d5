"""Evaluation of each domain of the tiers: its suites, faults, validators and single calls."""

from eval.domains.evaluation import Evaluation, SingleCall, Suite
from eval.domains.evaluations import evaluations

__all__ = ["Evaluation", "SingleCall", "Suite", "evaluations"]
