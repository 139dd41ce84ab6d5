"""Benches against their baseline."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.bench import SETS, Record, changes, read_record
from eval.comparison import Attempt
from eval.selection import select
from state.errors import UsageError


def record(marks: str, suite: str = "s") -> Record:
    attempts = tuple(
        Attempt(
            suite=suite, system="hierarchy", problem=f"p{k}", seed=0, solved=m == "+", tokens=10
        )
        for k, m in enumerate(marks)
    )
    return Record(name="quick", model="pocket", attempts=attempts)


def test_what_changed_is_told_problem_by_problem() -> None:
    (change,) = changes(record("++--" * 5), record("----" * 5))
    assert (change.now, change.before, len(change.gained), change.lost) == (0.5, 0.0, 10, ())
    assert change.verdict == "better"
    (change,) = changes(record("-" * 9 + "+"), record("+" * 9 + "-"))
    assert change.verdict == "worse"
    (change,) = changes(record("+-+-"), record("-+-+"))
    assert change.verdict == "no change"
    (change,) = changes(record("+-"), None)
    assert (change.verdict, change.p) == ("new", None)


def test_different_problems_are_not_compared() -> None:
    with pytest.raises(UsageError, match="not the same"):
        changes(record("+++"), record("++"))
    (change,) = changes(record("++"), record("++", suite="other"))
    assert change.verdict == "new"


def test_a_baseline_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    assert read_record(file) is None
    file.write_text(record("+-").model_dump_json())
    assert read_record(file) == record("+-")
    file.write_text("{}")
    with pytest.raises(UsageError, match="not a baseline"):
        read_record(file)


def test_every_set_names_suites_that_exist() -> None:
    for suites in SETS.values():
        for suite, _ in suites:
            assert select(suite, None, 1)
