"""Problems, the suites they come from, and how answers are judged."""

from __future__ import annotations

from eval.loading import load_problem
from eval.problems import NO_CHECKER, Problem, join_sections, score, sections
from eval.suites import HORIZONS, SUITES, get, suite_problems

__all__ = [
    "HORIZONS",
    "NO_CHECKER",
    "SUITES",
    "Problem",
    "get",
    "join_sections",
    "load_problem",
    "score",
    "sections",
    "suite_problems",
]
