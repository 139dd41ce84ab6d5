"""Spinning, coming closer, nothing new: read from the attempts alone."""

from __future__ import annotations

import pytest

from tiers.protocol import Failure, Outcome
from tiers.run_progress import improving, nothing_new, spinning


def failed(*attempts: tuple[str, int]) -> Outcome:
    """A failed delegation of (``answer:cause``, checks passed) attempts."""
    tries = (dict(zip(("answer_hash", "cause"), a.split(":"), strict=True)) for a, _ in attempts)
    return Outcome(
        delegation_id="d", status="failed", attempts=len(attempts),
        failures=tuple(
            Failure(**one, passed=passed) for one, (_, passed) in zip(tries, attempts, strict=True)
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("attempts", "says"),
    [
        ([("a:x", 0), ("a:x", 0)], ""),
        ([("a:x", 0), ("a:x", 0), ("a:x", 0)], "the same answer 3 times"),
        ([("a:x", 0), ("b:x", 0), ("c:x", 0)], "the same fault 3 times (x)"),
        ([("a:x", 1), ("b:y", 1), ("c:x", 0)], "no more checks pass than 3 attempts ago"),
        ([("a:x", 0), ("b:y", 1), ("c:z", 2)], ""),
        ([("a:x", 0), ("b:x", 1), ("c:x", 2)], ""),
        ([("a:x", 5), ("b:y", 0), ("c:z", 1), ("d:w", 2)], ""),
    ],
)
def test_what_spins(attempts: list[tuple[str, int]], says: str) -> None:
    assert spinning([failed(*attempts)]) == says
    assert spinning([failed(a) for a in attempts]) == says


def test_coming_closer_is_passing_more_checks_at_the_end() -> None:
    assert improving(failed(("a:x", 0), ("b:y", 1)))
    assert not improving(failed(("a:x", 1), ("b:y", 1)))
    assert not improving(failed(("a:x", 0)))


def test_nothing_is_new_where_answers_and_faults_were_all_there_before() -> None:
    before = [failed(("a:x", 0), ("b:x", 0))]
    assert nothing_new([failed(("b:x", 0))], before)
    assert not nothing_new([failed(("c:x", 0))], before)
    assert not nothing_new([], before)
