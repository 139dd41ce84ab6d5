"""Public examples, curves, cascades and the recorded grounds."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from eval.routing import curves
from eval.routing.bench_recorded import measure, pair
from eval.routing.cascades import Cascade, chosen, grid, play
from eval.routing.docstring import public_cases, public_check, runnable
from eval.routing.predict import folds, knn, logistic
from eval.routing.recorded_answers import Ground, gsm8k, read_rows
from state import UsageError

DATA = Path(os.environ.get("HARNESS_SHARED_DATA") or "../shared/data")


# --- public examples -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "args", "expected"),
    [
        (">>> f([1, 2], 'a)')\n    [2, 1]", [[1, 2], "a)"], [2, 1]),
        ("f(3) == 4.5", [3], 4.5), ("f(3) ➞ True  ", [3], True), ("f('hi') returns 'lm'", ["hi"], "lm"),
        ("f(15)   # returns \"db1\"", [15], "db1"), ("f(1,2) -> 19 - 5 - 6 = 8", [1, 2], 8),
        ("* f([]) => []", [[]], []), ("f(5) returns [1, 5] # because", [5], [1, 5]),
        ("For lst = [1,2] the output should be 14", [[1, 2]], 14),
        ("Input: grid = [[1]], k = 3\n        Output: [1]", None, [1]),
    ],
)  # fmt: skip
def test_examples_are_read_in_the_forms_they_are_written(
    text: str, args: list[object] | None, expected: object
) -> None:
    (case,) = public_cases(f'def f(x):\n    """Does it.\n    {text}\n    """', "f")
    assert case["expected"] == expected
    if args is not None:
        assert case["args"] == args
    else:
        assert case["kwargs"] == {"grid": [[1]], "k": 3}


@pytest.mark.parametrize(
    "text", ["f(x) == y", "f(3)", "f(3) + 4 == 8", "g(1) == 2", "f(3) == 4 + x"]
)
def test_what_is_no_literal_example_is_left_out(text: str) -> None:
    assert public_cases(f'def f(x):\n    """{text}\n    """', "f") == []
    assert public_check(f'def f(x):\n    """{text}\n    """', "f") is None


def test_a_completion_runs_under_what_its_prompt_gives() -> None:
    prompt = 'from typing import List\n\n\ndef f(x: List[int]) -> int:\n    """f([1]) == 1"""\n'
    made = runnable(prompt, "f", "Sure!\n```python\ndef f(x: List[int]) -> int:\n    return 1\n```")
    assert made.startswith("```python\nfrom typing import List")
    assert "Sure" not in made


# --- curves ----------------------------------------------------------------------------------


def test_random_and_perfect_rankings() -> None:
    weak = np.array([1.0, 0, 1, 0, 1, 0, 1, 0])
    strong, cost = np.ones(8), np.ones(8)
    known = curves.curve(strong - weak, weak, strong, cost, 10 * cost)
    blind = curves.curve(np.zeros(8), weak, strong, cost, 10 * cost)
    assert curves.apgr(blind.pgr(0.5, 1.0)) == pytest.approx(0.5)
    assert curves.cpt(blind.pgr(0.5, 1.0), 0.5) == 0.5
    assert curves.apgr(known.pgr(0.5, 1.0)) == pytest.approx(0.75)
    assert curves.cpt(known.pgr(0.5, 1.0), 0.5) == 0.25
    assert (known.cost[0], known.cost[-1]) == (1.0, 10.0)
    worse = curves.curve(weak - strong, weak, strong, cost, cost)
    assert curves.apgr(worse.pgr(0.5, 1.0)) == pytest.approx(0.25)
    assert np.isnan(curves.cpt(blind.pgr(0.5, 1.0) * 0.1, 0.8))


def test_the_hull_leaves_out_what_a_mixture_beats() -> None:
    points = curves.hull([1, 2, 3, 4], [0.1, 0.2, 0.8, 0.7])
    assert points == [(1, 0.1), (3, 0.8)]
    assert curves.mixture_at(points, 2) == pytest.approx(0.45)
    assert curves.mixture_at(points, 9) == 0.8


def test_the_bootstrap_covers_a_known_mean() -> None:
    values = np.random.default_rng(0).normal(size=200)
    ((low, high),) = curves.bootstrap(lambda d: (float(values[d].mean()),), 200, seed=1)
    assert low < values.mean() < high
    assert high - low == pytest.approx(4 * values.std() / np.sqrt(200), rel=0.2)


# --- cascades --------------------------------------------------------------------------------


def ground() -> Ground:
    """Four tasks, a cheap and an expensive model, two runs; task 3 has no public checks."""
    passed = np.array(
        [[[1, 1], [1, 1]], [[0, 0], [1, 1]], [[0, 1], [0, 0]], [[0, 0], [1, 1]]], dtype=bool
    )
    public = np.array(
        [[[1, 1], [1, 1]], [[0, 0], [1, 1]], [[0, 1], [0, 0]], [[-1, -1], [-1, -1]]], dtype=np.int8
    )
    cost = np.ones((4, 2, 2)) * np.array([1.0, 10.0])[None, :, None]
    return Ground("toy", ("a", "b", "c", "d"), ("cheap", "dear"), passed, cost, public, "cheap")


def test_a_cascade_pays_for_every_attempt_until_one_passes() -> None:
    spent = play(ground(), Cascade(((0, 1), (1, 1)), -1))
    assert spent.quality.tolist() == [[1, 1], [1, 1], [0, 1], [1, 1]]
    assert spent.cost.tolist() == [[1, 1], [11, 11], [11, 1], [10, 10]]
    assert spent.strong.tolist() == [[0, 0], [1, 1], [1, 0], [1, 1]]
    trusting = play(ground(), Cascade(((0, 2), (1, 1)), 0))
    assert trusting.quality[3].tolist() == [0, 0]
    assert trusting.cost[2].tolist() == [2, 1]
    assert trusting.quality[2].tolist() == [1, 1]


def test_hidden_verdicts_never_steer_a_cascade() -> None:
    """Turning every hidden verdict round changes what is scored, not what is paid."""
    here = ground()
    turned = Ground(
        here.name, here.tasks, here.models, ~here.passed, here.cost, here.public, here.native
    )
    for option in grid(2):
        assert (play(here, option).cost == play(turned, option).cost).all()


def test_the_choice_of_a_cascade_does_not_see_its_fold() -> None:
    rng = np.random.default_rng(0)
    public = rng.integers(0, 2, (40, 2, 3)).astype(np.int8)
    passed = rng.random((40, 2, 3)) < 0.5
    cost = rng.random((40, 2, 3)) + np.array([0.0, 9.0])[None, :, None]
    whole = Ground("toy", ("t",) * 40, ("a", "b"), passed, cost, public, "a")
    before, names = chosen(whole, seed=0)
    test = folds(40, 0)[0]
    changed = passed.copy()
    changed[test] = ~changed[test]
    after, again = chosen(
        Ground("toy", ("t",) * 40, ("a", "b"), changed, cost, public, "a"), seed=0
    )
    assert names[0] == again[0]
    assert (before.cost[test] == after.cost[test]).all()


@pytest.mark.parametrize("predict", [knn, logistic])
def test_predictions_never_see_the_task_they_are_about(predict: object) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 5)).astype(np.float32)
    rate = rng.random((60, 2))
    before = predict(vectors, rate, 0)  # type: ignore[operator]
    test = folds(60, 0)[2]
    rate[test] = 1 - rate[test]
    assert predict(vectors, rate, 0)[test] == pytest.approx(before[test])  # type: ignore[operator]


@pytest.mark.slow
def test_a_whole_measurement_of_a_small_ground() -> None:
    rng = np.random.default_rng(1)
    hard = rng.random(60)
    passed = rng.random((60, 2, 3)) > hard[:, None, None] * np.array([0.9, 0.4])[None, :, None]
    public = passed.astype(np.int8)
    cost = np.ones((60, 2, 3)) * np.array([1.0, 20.0])[None, :, None]
    made = Ground("toy", ("t",) * 60, ("cheap", "dear"), passed, cost, public, "cheap")
    result = measure(made, np.stack([hard, 1 - hard], axis=1).astype(np.float32))
    points = {p["policy"]: p for p in result["points"]}
    assert pair(made) == (0, 1)
    assert points["oracle"]["regret"] == 0
    once = [p for name, p in points.items() if name != "cascade, cross-validated"]
    assert all(p["quality"] <= points["oracle"]["quality"] + 1e-9 for p in once)
    assert points["always dear"]["cost_share"] == 1.0
    assert points["always cheap"]["over_mixture"] == pytest.approx(0.0, abs=1e-9)
    assert points["cascade of two, verified"]["cost_share"] < 1
    by = {c["router"]: c for c in result["curves"]}
    assert by["oracle"]["apgr"] > by["learned"]["apgr"] > 0.5
    assert by["random"]["apgr"] == pytest.approx(0.5)
    json.dumps(result)


# --- files -----------------------------------------------------------------------------------


def test_damaged_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_rows(tmp_path / "no.jsonl")
    (tmp_path / "x.jsonl").write_text('{"a": 1}\nnonsense\n')
    with pytest.raises(UsageError, match="line 2 is not JSON"):
        read_rows(tmp_path / "x.jsonl")


@pytest.mark.skipif(not DATA.is_dir(), reason="HARNESS_SHARED_DATA is not set")
def test_the_real_grounds_are_read() -> None:
    made = gsm8k(DATA)
    assert made.passed.shape == (len(made.tasks), 4, 1)
    assert made.models[0] == "6b_finetuning"
    assert made.public is None
    problems = read_rows(DATA / "humaneval.jsonl")
    shown = [p for p in problems if public_cases(p["prompt"], p["entry_point"])]
    assert len(shown) / len(problems) > 0.9
