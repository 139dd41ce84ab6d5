"""Problems, the suites they come from, and how answers are judged.

Names are imported on first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eval.loading import load_problem
    from eval.problems import NO_CHECKER, Problem, join_sections, score, sections
    from eval.suites import get, packaged, suite_problems

_MODULES = {
    "eval.loading": ("load_problem",),
    "eval.problems": ("NO_CHECKER", "Problem", "join_sections", "score", "sections"),
    "eval.suites": ("get", "packaged", "suite_problems"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "NO_CHECKER",
    "Problem",
    "get",
    "join_sections",
    "load_problem",
    "packaged",
    "score",
    "sections",
    "suite_problems",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
