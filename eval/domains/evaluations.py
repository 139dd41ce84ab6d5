"""The registry of evaluations: those of the built-in domains, and those that packages announce.

A package announces the :class:`eval.domains.evaluation.Evaluation` of its domain under the entry
point group ``hi_moe.evaluations``.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from eval.domains.evaluation import Evaluation
from state.errors import SetupError

GROUP = "hi_moe.evaluations"
BUILT_IN = ("story", "function", "text")
"""Folders beside this file, each of which defines ``EVALUATION``."""


@lru_cache(maxsize=1)
def evaluations() -> tuple[Evaluation, ...]:
    """All evaluations, the built-in ones first.

    Raises SetupError, one line naming the package, for one that cannot be loaded or has another
    type.
    """
    built_in = [import_module(f"eval.domains.{name}").EVALUATION for name in BUILT_IN]
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    return (*built_in, *map(_loaded, points))


def _loaded(point: EntryPoint) -> Evaluation:
    package = point.dist.name if point.dist else point.module
    where = f"package {package}: the evaluation {point.name!r}"
    try:
        found = point.load()
    except Exception as error:
        says = " ".join(f"{where} cannot be loaded: {type(error).__name__}: {error}".split())
        raise SetupError(f"{says[:300]}; repair or uninstall the package") from error
    if not isinstance(found, Evaluation):
        raise SetupError(f"{where} is no eval.domains.Evaluation; repair or uninstall the package")
    return found
