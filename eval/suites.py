"""The packaged suites by name, as the domains announce them (see :mod:`eval.domains`)."""

from __future__ import annotations

from collections.abc import Iterable

from eval.domains.evaluation import Suite
from eval.domains.evaluations import evaluations
from eval.problems import Problem
from state.errors import UsageError

DEFAULT = "horizon"
"""The suite of a problem that is named by its number alone."""


def packaged() -> dict[str, Suite]:
    """Name → suite."""
    return {name: suite for each in evaluations() for name, suite in each.suites.items()}


def suite_problems(name: str, numbers: Iterable[int]) -> list[Problem]:
    """Problems of a suite by number; ``horizon/32`` is a variant of the suite ``horizon``.

    Numbers beyond the end of a finite suite are ignored. Raises UsageError.
    """
    suite, slash, variant = name.partition("/")
    found = _suite(suite)
    if slash and not found.variants:
        raise _unknown(name)
    ids = (found.id(variant, number) for number in numbers)
    return [get(suite, id) for id in ids if id is not None]


def get(suite: str, id: str) -> Problem:
    """Problem ``id`` of a suite (``get("horizon", "16-103")``). Raises UsageError."""
    found = _suite(suite)
    problem = found.problem(id)
    if problem is None:
        raise UsageError(f"suite {suite} has no problem {id[:60]!r}; ids look like {found.about}")
    return problem


def get_default(number: str) -> Problem:
    """Problem ``number`` of the default suite. Raises UsageError."""
    suite = _suite(DEFAULT)
    if int(number[:20]) < 0 or len(number) > 9:
        raise UsageError(
            f"problem {number[:20]}: numbers run from 0 to 999999999; "
            f"7 is problem 7 of the default suite, {DEFAULT}/{suite.id('', 7)}"
        )
    return get(DEFAULT, str(suite.id("", int(number))))


def _suite(name: str) -> Suite:
    known = packaged()
    if name not in known:
        raise _unknown(name)
    return known[name]


def _unknown(name: str) -> UsageError:
    return UsageError(f"no suite {name[:60]!r}; suites: {', '.join(packaged())}")
