"""Benches against their baseline."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.compare.comparison import Attempt
from eval.compare.stored_baseline import SETS, Record, changes, read_record
from eval.selection import select
from state.errors import UsageError


def record(marks: str, suite: str = "s") -> Record:
    attempts = tuple(
        Attempt(
            suite=suite,
            system="hierarchy",
            problem=f"p{k}",
            seed=0,
            solved=m == "+",
            tokens=10,
            lost="answer" if m == "?" else None,
        )
        for k, m in enumerate(marks)
    )
    return Record(name="quick", model="pocket", attempts=attempts)


@pytest.mark.slow
def test_what_changed_is_told_problem_by_problem() -> None:
    (change,) = changes(record("++--" * 5), record("----" * 5))
    assert (change.now, change.before, len(change.gained), change.lost) == (0.5, 0.0, 10, ())
    assert change.verdict == "better"
    (change,) = changes(record("-" * 9 + "+"), record("+" * 9 + "-"))
    assert change.verdict == "worse"
    (change,) = changes(record("+-+-"), record("-+-+"))
    assert (change.verdict, change.problems_needed) == ("undecided", 3188)
    (change,) = changes(record("+-" * 150), record("+-" * 150))
    assert (change.verdict, change.p) == ("no change", 1.0)
    assert changes(record("+-" * 150), record("+-" * 150), 0.01)[0].verdict == "undecided"
    (change,) = changes(record("+-"), None)
    assert (change.verdict, change.p) == ("new", None)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("gained", "lost", "verdict"), [(12, 4, "undecided"), (9, 8, "no change"), (14, 6, "undecided")]
)
def test_no_change_needs_an_interval_without_the_smallest_effect(
    gained: int, lost: int, verdict: str, *, turned: bool
) -> None:
    both = "+" * (300 - gained - lost)
    runs = [record("+" * gained + "-" * lost + both), record("-" * gained + "+" * lost + both)]
    (change,) = changes(*(runs[::-1] if turned else runs))
    assert change.power is not None
    assert change.power > 0.8
    assert change.verdict == verdict
    needed = change.problems_needed
    assert needed == 300 if verdict == "no change" else needed and needed >= 600


def test_a_bench_whose_every_attempt_was_lost_is_undecided() -> None:
    (change,) = changes(record("????"), record("++++"))
    assert (change.verdict, change.problems, change.now) == ("undecided", 0, None)
    assert change.problems_needed


def test_what_was_lost_is_no_change() -> None:
    whole, gone = record("++++"), record("+?++")
    for now, before in ((gone, whole), (whole, gone)):
        (change,) = changes(now, before)
        assert (change.problems, change.lost_attempts, change.now) == (3, 1, 1.0)
        assert (change.gained, change.lost) == ((), ())
    (change,) = changes(record("??"), None)
    assert (change.verdict, change.now, change.problems) == ("new", None, 0)


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
    for content in (b"{}", b"\xff\xfe", b""):
        file.write_bytes(content)
        with pytest.raises(UsageError, match="not a baseline"):
            read_record(file)
    for place in (tmp_path, file / "b.json", tmp_path / ("n" * 300)):
        with pytest.raises(UsageError, match="cannot be read"):
            read_record(place)


def test_every_set_names_suites_that_exist() -> None:
    for suites in SETS.values():
        for suite, _ in suites:
            assert select(suite, None, 1)
