"""The problems that ``--suite NAME`` and ``--path FILE`` name, for any command that measures."""

from __future__ import annotations

from collections.abc import Sequence

from eval import datasets
from eval.problems import Problem
from eval.schema import short
from eval.suites import packaged, suite_problems
from state.errors import UsageError


def select(suite: str, path: str | None, count: int, first: int = 0) -> list[Problem]:
    """``count`` problems of a packaged suite or a data set, from number ``first`` on.

    Raises UsageError for an unknown suite, a path that cannot be read, or where no problem is left;
    SetupError where a data set cannot be loaded.
    """
    if count < 1 or first < 0:
        raise UsageError(f"--count: at least 1, --first: at least 0; not {count} and {first}")
    name = suite.partition("/")[0]
    if name in packaged():
        if path is not None:
            raise UsageError(f"--path is for data sets; suite {suite} is packaged")
        found = suite_problems(suite, range(first, first + count))
    elif suite in datasets.DATASETS:
        found = datasets.load(suite, path)[first : first + count]
    else:
        known = ", ".join((*packaged(), *datasets.DATASETS))
        raise UsageError(f"no suite {short(suite)}; suites: {known}")
    if not found:
        raise UsageError(f"suite {suite} has no problem number {first}")
    return found


def select_all(
    names: Sequence[str], path: str | None, count: int, first: int = 0
) -> dict[str, Sequence[Problem]]:
    """Suite → its problems. Raises like :func:`select`, and UsageError for two problems with the
    same id."""
    chosen: dict[str, Sequence[Problem]] = {}
    for suite in names:
        problems = select(suite, path, count, first)
        ids = [p.id for p in problems]
        if twice := next((i for i in ids if ids.count(i) > 1), None):
            raise UsageError(f"suite {suite}: two problems have the id {twice}")
        chosen[suite] = problems
    return chosen
