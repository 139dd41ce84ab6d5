"""Evidence: written once for each source, fading unless it surprised."""

from __future__ import annotations

import pytest

from state import BeadStore
from state.evidence import HALF_LIFE, Record, evidence, fade, record_of, tally


def test_evidence_counts_once_for_each_source(store: BeadStore) -> None:
    routine = store.create("routine", "plan it")
    for source, won in (("run-a", True), ("run-a", True), ("run-b", False)):
        piece = evidence(routine.id, source, "run-x", record_of(store, routine.id), won=won)
        store.apply([piece], {})
    assert record_of(store, routine.id, decay=False) == Record(won=1.0, lost=1.0)


def test_expected_evidence_halves_and_surprising_evidence_stays() -> None:
    assert fade(HALF_LIFE, 0.3) == pytest.approx(0.5)
    assert fade(HALF_LIFE, None) == pytest.approx(0.5)
    assert fade(HALF_LIFE, 2.0) == 1.0
    old_wins = [(True, 0.2)] * 200
    assert tally(old_wins, decay=False).won == 200
    assert tally(old_wins).won < 50
    assert tally([(False, 3.0), *old_wins]).lost == 1.0


def test_chance_and_surprise_are_the_posterior_s() -> None:
    record = Record(won=8, lost=0)
    assert record.chance == pytest.approx(0.9)
    assert record.surprise(won=False) == pytest.approx(2.302585)
    assert record.surprise(won=True) < record.surprise(won=False)
