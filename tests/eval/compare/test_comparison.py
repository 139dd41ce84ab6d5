"""The sweep and the analysis, on attempts that are made up."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from eval import get
from eval.compare.comparison import Attempt, Journal, analyse, join, sweep
from eval.compare.comparison_report import html, markdown
from eval.problems import Problem
from state.errors import BackendTimeout, BackendUnavailable, BadAnswer, StoreError, UsageError
from tiers.model_calls import Interrupted

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
    assert "b is better than a: +66.7 points" in d.words


@pytest.mark.slow
def test_no_benefit_is_said_of_a_sample_that_would_have_shown_one() -> None:
    (found,) = analyse(made(a="+-" * 150, b="+-" * 149 + "-+"), ["a", "b"], "a")
    (d,) = found.differences
    assert d.low <= 0 <= d.high
    assert (d.verdict, d.problems_needed) == ("no benefit", 300)
    assert d.power > 0.8
    assert "b: no benefit over a" in d.words
    assert "300 problems would have shown a difference of 5 points" in d.words
    for text in (markdown([found], {}), html([found], {}), json.dumps(found.model_dump())):
        assert "no benefit" in text
    (found,) = analyse(made(a="+-" * 150, b="+-" * 149 + "-+"), ["a", "b"], "a", 0.02)
    assert found.differences[0].verdict == "undecided"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("a", "b"),
    [("+----", "+++++"), ("+-" * 15, "-+" * 14 + "++"), ("+" * 40, "+" * 40), ("+", "-")],
)
def test_a_sample_that_could_not_have_shown_a_benefit_is_undecided(a: str, b: str) -> None:
    (found,) = analyse(made(a=a, b=b), ["a", "b"], "a")
    (d,) = found.differences
    assert d.verdict == "undecided"
    assert d.problems_needed > len(a)
    for text in (markdown([found], {}), html([found], {})):
        assert "undecided" in text
        assert "no benefit" not in text
    assert f"{d.problems_needed:,} problems needed, not {len(a)}" in d.words


@pytest.mark.parametrize(
    ("gained", "lost", "verdict"),
    [
        (12, 4, "undecided"),  # +2.7 points, up to 5.3
        (10, 8, "no benefit"),  # +0.7 points, up to 3.3
        (2, 9, "no benefit"),  # -2.3 points: a harm is no benefit, however large it may be
        (14, 6, "undecided"),
    ],
)
def test_no_benefit_needs_an_interval_without_the_smallest_effect(
    gained: int, lost: int, verdict: str
) -> None:
    both = "+" * (300 - gained - lost)
    found = analyse(
        made(a="-" * gained + "+" * lost + both, b="+" * gained + "-" * lost + both),
        ["a", "b"],
        "a",
    )
    (d,) = found[0].differences
    assert (d.verdict, d.power > 0.8, d.p > 0.05) == (verdict, True, True)
    assert (d.high < d.smallest_effect) == (verdict == "no benefit")
    if verdict == "no benefit":
        assert d.problems_needed == 300
    else:
        assert d.problems_needed >= 600
        assert f"{d.problems_needed:,} problems needed, not 300" in d.words


def test_a_harm_is_a_harm_and_many_systems_are_corrected_for() -> None:
    marks = {"a": "+" * 40, "b": "-" * 8 + "+" * 32, "c": "+" * 40, "d": "+" * 40}
    (found,) = analyse(made(**marks), list(marks), "a")
    by_name = {d.system: d for d in found.differences}
    assert by_name["b"].verdict == "worse"
    assert by_name["b"].p_holm == pytest.approx(3 * by_name["b"].p)
    assert by_name["c"].verdict == "undecided"
    alone = analyse(made(a=marks["a"], c=marks["c"]), ["a", "c"], "a")[0].differences[0]
    assert by_name["c"].problems_needed > alone.problems_needed  # the stricter level needs more


def test_seeds_of_one_problem_are_not_independent_problems() -> None:
    few = [attempt("a", f"p{k}", s, solved=False) for k in range(4) for s in range(50)]
    few += [attempt("b", f"p{k}", s, solved=True) for k in range(4) for s in range(50)]
    (found,) = analyse(few, ["a", "b"], "a")
    assert found.standings[0].problems == 4
    assert found.standings[1].low < 0.6
    assert found.differences[0].p == pytest.approx(0.125)
    assert found.differences[0].verdict == "undecided"


def test_lost_attempts_are_counted_and_compared_on_neither_side() -> None:
    attempts = made(a="+" * 30, b="-" * 30)
    gone = {("a", "p003"), ("b", "p003"), ("b", "p004")}
    attempts = [
        x.model_copy(update={"lost": "answer", "solved": False})
        if (x.system, x.problem) in gone
        else x
        for x in attempts
    ]
    (found,) = analyse(attempts, ["a", "b"], "a")
    a, b = found.standings
    assert (a.problems, a.attempts, a.lost, a.solve_rate) == (30, 30, 1, 1.0)
    assert (b.lost, b.solve_rate, b.tokens) == (2, 0.0, 100)
    (d,) = found.differences
    assert (d.problems, d.left_out, d.only_baseline) == (28, 2, 28)
    assert "left out because an attempt was lost: 2" in d.words
    assert "lost" in markdown([found], {})


@pytest.mark.slow
def test_a_system_that_lost_every_attempt_is_compared_with_nothing() -> None:
    attempts = made(a="+-", b="--")
    attempts = [x.model_copy(update={"lost": "answer"}) if x.system == "b" else x for x in attempts]
    (found,) = analyse(attempts, ["a", "b"], "a")
    assert found.standings[1].solve_rate is None
    assert found.differences == ()
    assert found.sentences == ["b: every attempt was lost, so nothing is compared"]
    assert "every attempt was lost" in html([found], {})


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
    with pytest.raises(UsageError, match=r"--smallest-effect: .* not 5"):
        analyse(made(a="+", b="+"), ["a", "b"], "a", 5)


class Solver:
    """Solves problem ids that end in an even digit; ``breaks_at`` says what it raises at which
    attempt."""

    def __init__(self, breaks_at: dict[int, Exception] | None = None) -> None:
        self.made: list[tuple[str, str, int]] = []
        self.begun = 0
        self.breaks_at = breaks_at or {}

    async def __call__(self, suite: str, system: str, problem: Problem, seed: int) -> Attempt:
        self.begun += 1
        if error := self.breaks_at.get(self.begun):
            raise error
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
    broken, seen = Solver({8: UsageError("the machine broke")}), list[int]()
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
    assert run(Solver({1: UsageError("again")}), Journal(path, HEADER)) == attempts


@pytest.mark.parametrize("error", [BadAnswer("odd"), BackendTimeout("late")])
def test_an_unusable_answer_is_one_lost_attempt_and_not_the_end(
    tmp_path: Path, error: Exception
) -> None:
    path = tmp_path / "attempts.jsonl"
    attempts = run(Solver({3: error, 9: error}), Journal(path, HEADER))
    lost = [a for a in attempts if a.lost]
    assert (len(attempts), len(lost)) == (24, 2)
    assert {(a.solved, a.stop_reason) for a in lost} == {(False, str(error))}
    assert len(path.read_text().splitlines()) == 25
    again = Solver()
    attempts = run(again, Journal(path, HEADER))
    assert sorted(again.made) == sorted(a.key[1:] for a in lost)
    assert not [a for a in attempts if a.lost]
    assert run(Solver({1: UsageError("again")}), Journal(path, HEADER)) == attempts


def test_an_endpoint_that_is_down_ends_the_sweep_and_leaves_no_line(tmp_path: Path) -> None:
    path = tmp_path / "attempts.jsonl"
    down = Solver({n: BackendUnavailable("down") for n in range(8, 30)})
    with pytest.raises(BackendUnavailable, match="down"):
        run(down, Journal(path, HEADER))
    assert len(path.read_text().splitlines()) == 1 + len(down.made)


def test_what_swallows_a_cancellation_makes_no_further_attempt(tmp_path: Path) -> None:
    begun: list[str] = []

    async def deaf(suite: str, system: str, problem: Problem, seed: int) -> Attempt:
        begun.append(problem.id)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise Interrupted("did not end") from None
        raise AssertionError

    async def go() -> None:
        journal = Journal(tmp_path / "a.jsonl", HEADER)
        work = asyncio.create_task(sweep({"s": PROBLEMS}, ["a"], [1], deaf, journal, concurrency=2))
        await asyncio.sleep(0.05)
        work.cancel()
        await work

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(go())
    assert len(begun) == 2
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 1


def test_what_does_not_end_when_stopped_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eval.compare.comparison.GRACE_S", 0.05)

    async def slow(suite: str, system: str, problem: Problem, seed: int) -> Attempt:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(60)  # As one that waits for the calls that it sent.
        raise AssertionError

    async def go() -> None:
        journal = Journal(tmp_path / "a.jsonl", HEADER)
        await asyncio.wait_for(sweep({"s": PROBLEMS}, ["a"], [1], slow, journal), 0.1)

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(go())
    assert time.monotonic() - began < 5


def test_attempts_that_were_stopped_in_old_journals_are_made_again(tmp_path: Path) -> None:
    path = tmp_path / "attempts.jsonl"
    rows = [
        {"suite": "s", "system": "a", "problem": PROBLEMS[0].id, "seed": 1, "solved": False,
         "stop_reason": reason}
        for reason in ("stopped on request", "the plan waits for approval")
    ]  # fmt: skip
    rows.append({**rows[0], "problem": PROBLEMS[1].id, "stop_reason": "every step is closed"})
    path.write_text("\n".join(json.dumps(r) for r in (HEADER, *rows)) + "\n")
    assert [a.problem for a in Journal(path, HEADER).attempts.values()] == [PROBLEMS[1].id]


def test_a_line_that_a_full_disk_cuts_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "attempts.jsonl"
    journal = Journal(path, HEADER)
    journal.add(attempt("a", "p1", solved=True))
    before, room = path.read_bytes(), 30

    class Full(io.FileIO):
        """A disk with 30 bytes left."""

        def write(self, data: Any) -> int:
            nonlocal room
            if not room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            taken, room = min(room, len(data)), 0
            return super().write(bytes(data[:taken]))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda self, *_, **__: Full(self, "a"))
        with pytest.raises(StoreError, match="cannot be written: No space left"):
            journal.add(attempt("a", "p2", solved=True))
    assert path.read_bytes() == before
    assert [a.problem for a in journal.attempts.values()] == ["p1"]
    journal.add(attempt("a", "p3", solved=True))
    assert len(Journal(path, HEADER).attempts) == 2


@pytest.mark.parametrize(
    "place",
    ["file/a.jsonl", "file/sub/a.jsonl", "folder", "n" * 300 + "/a.jsonl", "/dev/null/a.jsonl"],
)
def test_a_place_that_cannot_hold_a_journal_is_bad_input(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match=r"cannot be written: .*; give another folder") as caught:
        Journal(tmp_path / place, HEADER)
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith(str(tmp_path / place))
    assert (tmp_path / "file").read_text() == "kept"


def test_a_journal_that_may_not_be_written_is_refused_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, whole = tmp_path / "attempts.jsonl", Path.open
    Journal(path, HEADER)

    def refuse(error: int) -> None:
        def opened(self: Path, mode: str = "r", **more: Any) -> Any:
            if "a" in mode:
                raise OSError(error, os.strerror(error), str(self))
            return whole(self, mode, **more)

        monkeypatch.setattr(Path, "open", opened)

    for place in (path, tmp_path / "new" / "attempts.jsonl"):
        for error in (errno.EACCES, errno.EROFS):
            refuse(error)
            with pytest.raises(UsageError, match="cannot be written"):
                Journal(place, HEADER)
        refuse(errno.ENOSPC)
        with pytest.raises(StoreError, match="No space left"):
            Journal(place, HEADER)


def test_a_header_nested_too_deeply_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "attempts.jsonl"
    path.write_text("[" * 200_000 + "\n")
    with pytest.raises(UsageError, match="not the journal"):
        Journal(path, HEADER)


def test_opening_a_journal_never_rewrites_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "attempts.jsonl"
    Journal(path, HEADER).add(attempt("a", "p\u2028 1", solved=True))  # a line separator, no line
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"suite": "\xc3')
    journal = Journal(path, HEADER)
    assert path.read_bytes() == whole
    assert [a.problem for a in journal.attempts.values()] == ["p\u2028 1"]
    path.write_bytes(whole + b'{"suite"')
    assert len(join([path])) == 1
    assert path.read_bytes() != whole, "reading is not writing: another process may be at work"
    (tmp_path / "none.jsonl").write_text("hello\n")
    with pytest.raises(UsageError, match="not the journal of a comparison"):
        Journal(tmp_path / "none.jsonl", HEADER)


def test_a_lost_attempt_counts_from_another_journal(tmp_path: Path) -> None:
    good = attempt("a", "p1", solved=True)
    gone = good.model_copy(update={"solved": False, "lost": "answer"})
    paths = [tmp_path / name for name in ("one", "two")]
    for order in (paths, paths[::-1]):
        for path, made in zip(order, (good, gone), strict=True):
            path.unlink(missing_ok=True)
            Journal(path, HEADER).add(made)
        assert join(paths) == [good]
    paths[0].unlink()
    Journal(paths[0], HEADER).add(good.model_copy(update={"solved": False}))
    with pytest.raises(UsageError, match="another result"):
        join(paths)


def test_another_comparison_is_not_mixed_in(tmp_path: Path) -> None:
    Journal(tmp_path / "a.jsonl", HEADER)
    with pytest.raises(UsageError, match=r"another comparison \(suites differ\)"):
        Journal(tmp_path / "a.jsonl", {"suites": "other"})


def test_a_problem_without_checker_is_refused(tmp_path: Path) -> None:
    bare = PROBLEMS[0].model_copy(update={"hidden_checks": ()})
    with pytest.raises(UsageError, match="no checker"):
        asyncio.run(sweep({"s": [bare]}, ["a"], [1], Solver(), Journal(tmp_path / "a", HEADER)))


@pytest.mark.slow
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
