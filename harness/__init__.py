"""Wires the packages together: command line, settings, run session, graph, Python interface.

``from harness import run, compare, Problem`` is the Python interface (``docs/python.md``). Its names
are imported when they are first used, so that ``import harness`` itself costs next to nothing.
Importing the package makes sure that the harness's own packages are found, whatever else has their
names.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.packages import claim

claim()

if TYPE_CHECKING:
    from eval.problems import Problem
    from harness.api import load_problem, resume, resume_async, run, run_async
    from harness.comparing import ComparisonReport, compare, compare_async
    from harness.report import Event, RunReport
    from state.errors import BackendUnavailable, HarnessError, SetupError, UsageError
    from tiers.protocol import Check

_MODULES = {
    "eval.problems": ("Problem",),
    "harness.api": ("load_problem", "resume", "resume_async", "run", "run_async"),
    "harness.comparing": ("ComparisonReport", "compare", "compare_async"),
    "harness.report": ("Event", "RunReport"),
    "state.errors": ("BackendUnavailable", "HarnessError", "SetupError", "UsageError"),
    "tiers.protocol": ("Check",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "BackendUnavailable",
    "Check",
    "ComparisonReport",
    "Event",
    "HarnessError",
    "Problem",
    "RunReport",
    "SetupError",
    "UsageError",
    "compare",
    "compare_async",
    "load_problem",
    "resume",
    "resume_async",
    "run",
    "run_async",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)
