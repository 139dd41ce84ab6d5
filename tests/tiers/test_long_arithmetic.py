"""Long arithmetic gives the right results from right parts, all parts in reach, for any numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialists.pocket.arithmetic import apply, parse, within_reach
from tiers.domains.story.long_arithmetic import Unfit, procedure, stage

NATURAL = st.integers(0, 10**12)


def worked_out(a: int, op: str, b: int) -> str | None:
    """The result by parts that are all done right, asked a stage at a time as the tiers do."""
    results: dict[str, str] = {}
    for _ in range(400):
        steps = procedure(str(a), op, str(b))
        if steps is None:
            return None
        now = stage(steps, results)
        if now.result is not None:
            return now.result
        for name, operation in now.operations.items():
            asked = parse(operation)
            assert asked is not None
            assert within_reach(asked[1], asked[0], asked[2]), operation
            assert asked != (a, op, b), "a part is smaller than the whole"
            results[name] = str(apply(asked[1], asked[0], asked[2]))
    raise AssertionError("it never ends")


@pytest.mark.slow
@given(NATURAL, NATURAL)
def test_sums(a: int, b: int) -> None:
    assert worked_out(a, "+", b) in (None, str(a + b))


@given(NATURAL, NATURAL)
def test_differences(a: int, b: int) -> None:
    low, high = sorted((a, b))
    assert worked_out(high, "-", low) in (None, str(high - low))


@pytest.mark.slow
@given(st.integers(0, 10**9), st.integers(0, 10**5))
def test_products(a: int, b: int) -> None:
    assert worked_out(a, "*", b) in (None, str(a * b))


@given(st.integers(0, 10**9), st.integers(1, 99))
def test_quotients(c: int, b: int) -> None:
    assert worked_out(b * c, "/", b) in (None, str(c))


@pytest.mark.parametrize(
    ("a", "op", "b", "result"),
    [
        (4323, "/", 11, "393"), (9890, "/", 10, "989"), (6138, "/", 62, "99"),
        (123456, "*", 987, "121851072"), (1000000, "-", 1, "999999"), (1002003, "-", 999999, "2004"),
        (999999, "+", 1, "1000000"), (12, "*", 34, "408"), (0, "/", 12, "0"),
    ],
)  # fmt: skip
def test_known_values(a: int, op: str, b: int, result: str) -> None:
    assert worked_out(a, op, b) == result


@pytest.mark.parametrize(("a", "op", "b"), [(5, "+", 3), (999, "-", 1), (123, "*", 7), (8, "/", 2)])
def test_what_is_small_is_not_taken_apart(a: int, op: str, b: int) -> None:
    assert procedure(str(a), op, str(b)) is None


@pytest.mark.parametrize(
    ("a", "b", "results"),
    [
        ("100", "11", ["22", "33", "44", "55", "66", "77", "88", "99", "1"]),  # something is left
        ("99", "11", ["22", "33", "44", "55", "66", "77", "88", "-3"]),
        ("99", "11", ["22", "12", "44", "55", "66", "77", "88", "99"]),  # multiples that shrink
        ("990", "11", ["22", "33", "44", "55", "66", "77", "88", "99", "50"]),  # too much is left
    ],
)
def test_wrong_parts_are_noticed(a: str, b: str, results: list[str]) -> None:
    steps = procedure(a, "/", b)
    assert steps is not None
    with pytest.raises(Unfit):
        stage(steps, {f"p{k}": value for k, value in enumerate(results, 1)})
