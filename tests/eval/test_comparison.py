"""The sweep and the analysis, on attempts that are made up."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from eval import get
from eval.comparison import Attempt, Journal, analyse, sweep
from eval.comparison_report import html, markdown
from eval.problems import Problem
from state.errors import UsageError

PROBLEMS = [get("horizon", f"4-{k}") for k in range(6)]
HEADER: dict[str, object] = {"suites": "test"}


def attempt(system: str, problem: str, seed: int = 1, *, solved: bool) -> Attempt:
    return Attempt(suite="s", system=system, problem=problem, seed=seed, solved=solved, tokens=100)


def made(**solved: str) -> list[Attempt]:
    """System → a text of + and - for each problem."""
    return [
        attempt(system, f"p{k:03d}", solved=mark == "+")
        for system, marks in solved.items()
        for k, mark in enumerate(marks)
    ]


def test_a_clear_benefit_is_called_one() -> None:
    (found,) = analyse(made(a="-" * 30, b="+" * 20 + "-" * 10), ["a", "b"], "a")
    (d,) = found.differences
    assert (d.only_system, d.only_baseline, d.verdict) == (20, 0, "better")
    assert d.difference == pytest.approx(2 / 3)
    assert d.p == pytest.approx(2 / 2**20)
    assert d.power > 0.99
    assert "b is better than a: +66.7 points" in d.words


def test_no_benefit_is_said_in_words() -> None:
    (found,) = analyse(made(a="+-" * 15, b="-+" * 14 + "++"), ["a", "b"], "a")
    (d,) = found.differences
    assert d.low <= 0 <= d.high
    assert d.verdict == "no benefit"
    assert "no benefit over a" in d.words
    assert "includes zero" in d.words
    assert "no benefit" in markdown([found], {})


def test_a_harm_is_a_harm_and_many_systems_are_corrected_for() -> None:
    marks = {"a": "+" * 40, "b": "-" * 8 + "+" * 32, "c": "+" * 40, "d": "+" * 40}
    (found,) = analyse(made(**marks), list(marks), "a")
    by_name = {d.system: d for d in found.differences}
    assert by_name["b"].verdict == "worse"
    assert by_name["b"].p_holm == pytest.approx(3 * by_name["b"].p)
    assert by_name["c"].problems_needed is None
    assert by_name["c"].power == 0.0


def test_seeds_of_one_problem_are_not_independent_problems() -> None:
    few = [attempt("a", f"p{k}", s, solved=False) for k in range(4) for s in range(50)]
    few += [attempt("b", f"p{k}", s, solved=True) for k in range(4) for s in range(50)]
    (found,) = analyse(few, ["a", "b"], "a")
    assert found.standings[0].problems == 4
    assert found.standings[1].low < 0.6
    assert found.differences[0].p == pytest.approx(0.125)
    assert found.differences[0].verdict == "no benefit"


def test_cost_is_unknown_rather_than_nothing() -> None:
    attempts = made(a="+-", b="--")
    (found,) = analyse(attempts, ["a", "b"], "a")
    a, b = found.standings
    assert (a.tokens_per_solve, a.cost_per_solve) == (200, None)
    assert b.tokens_per_solve is None
    text = markdown([found], {})
    assert "price unknown" in text
    assert "nothing solved" in text


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UsageError, match="not among the systems"):
        analyse([], ["a"], "b")
    apart = [attempt("a", "p1", solved=True), attempt("b", "p2", solved=True)]
    with pytest.raises(UsageError, match="different problems"):
        analyse(apart, ["a", "b"], "a")


class Solver:
    """Solves problem ids that end in an even digit; may be told to break."""

    def __init__(self, breaks_at: int | None = None) -> None:
        self.made: list[tuple[str, str, int]] = []
        self.breaks_at = breaks_at

    async def __call__(self, suite: str, system: str, problem: Problem, seed: int) -> Attempt:
        if len(self.made) == self.breaks_at:
            raise UsageError("the machine broke")
        await asyncio.sleep(0)
        self.made.append((system, problem.id, seed))
        even = int(problem.id[-1]) % 2 == 0
        return Attempt(suite=suite, system=system, problem=problem.id, seed=seed, solved=even)


def run(solve: Solver, journal: Journal, seen: list[int] | None = None) -> list[Attempt]:
    def tell(attempt: Attempt, done: int, of: int) -> None:
        assert of == 24
        (seen if seen is not None else []).append(done)

    return asyncio.run(
        sweep({"s": PROBLEMS}, ["a", "b"], [1, 2], solve, journal, concurrency=3, on_attempt=tell)
    )


def test_a_sweep_streams_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "attempts.jsonl"
    broken, seen = Solver(breaks_at=7), list[int]()
    with pytest.raises(UsageError, match="the machine broke"):
        run(broken, Journal(path, HEADER), seen)
    assert seen == list(range(1, len(seen) + 1))
    with path.open("a") as out:
        out.write('{"suite": "s", "sys')  # killed in the middle of a line
    journal = Journal(path, HEADER)
    assert len(journal.attempts) == len(seen) > 0
    rest = Solver()
    attempts = run(rest, journal)
    assert len(attempts) == 24
    assert len(rest.made) == 24 - len(seen)
    assert not set(rest.made) & set(broken.made[: len(seen)])
    assert run(Solver(breaks_at=0), Journal(path, HEADER)) == attempts


def test_another_comparison_is_not_mixed_in(tmp_path: Path) -> None:
    Journal(tmp_path / "a.jsonl", HEADER)
    with pytest.raises(UsageError, match=r"another comparison \(suites differ\)"):
        Journal(tmp_path / "a.jsonl", {"suites": "other"})


def test_a_problem_without_checker_is_refused(tmp_path: Path) -> None:
    bare = PROBLEMS[0].model_copy(update={"hidden_checks": ()})
    with pytest.raises(UsageError, match="no checker"):
        asyncio.run(sweep({"s": [bare]}, ["a"], [1], Solver(), Journal(tmp_path / "a", HEADER)))


def test_the_page_needs_nothing_beside_it() -> None:
    attempts = [
        a.model_copy(update={"suite": suite})
        for suite in ("horizon/4", "horizon/32")
        for a in made(direct="+-" * 5, hierarchy="++" * 5)
    ]
    found = analyse(attempts, ["direct", "hierarchy"], "direct")
    page = html(found, {"budget": "<none>"})
    assert "<svg" in page
    assert "solved over horizon length" in page
    assert "&lt;none&gt;" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert json.dumps([c.model_dump() for c in found])
