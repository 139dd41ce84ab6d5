"""Systems on the same problems: the sweep that runs them and the analysis of what came out.

The sweep is handed a ``solve`` function and keeps a journal, so that it goes on where it stopped;
the analysis is a pure function of the attempts in it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from eval import statistics
from eval.problems import Problem
from state.errors import UsageError

ALPHA = 0.05


class Frozen(BaseModel):
    """Immutable; unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Attempt(Frozen):
    """One system at one problem with one seed."""

    suite: str
    system: str
    problem: str
    seed: int
    solved: bool
    """Whether the hidden checks passed."""
    claimed: bool = False
    """Whether the system itself called its answer verified."""
    exhausted: bool = False
    tokens: int = 0
    calls: int = 0
    seconds: float = 0.0
    cost: float | None = None
    """US dollars; ``None`` where no price is known."""
    run_id: str | None = None
    stop_reason: str | None = None

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What makes the attempt the one it is."""
        return self.suite, self.system, self.problem, self.seed


Solve = Callable[[str, str, Problem, int], Awaitable[Attempt]]
"""(suite, system, problem, seed) → attempt; never raises for a wrong answer or a spent budget."""


class Journal:
    """The attempts of a sweep, one JSON line each, under a first line that says what is compared."""

    def __init__(self, path: Path, header: dict[str, object]) -> None:
        """Opens or starts the journal. Raises UsageError where it holds another comparison."""
        self.path = path
        self.attempts: dict[tuple[str, str, str, int], Attempt] = {}
        text = path.read_text("utf-8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]  # a last line cut short by a kill is forgotten
        if whole:
            self._read(whole.splitlines(), header)
        if not whole or whole != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(whole or json.dumps(header, sort_keys=True) + "\n", "utf-8")

    def _read(self, lines: Sequence[str], header: dict[str, object]) -> None:
        if json.loads(lines[0]) != json.loads(json.dumps(header)):
            held = json.loads(lines[0])
            differs = sorted(k for k in {*held, *header} if held.get(k) != header.get(k))
            raise UsageError(
                f"{self.path} holds another comparison ({', '.join(differs)} differ): give another "
                "--out, or the same options to go on with it"
            )
        for number, line in enumerate(lines[1:], 2):
            try:
                attempt = Attempt.model_validate_json(line)
            except ValidationError:
                raise UsageError(f"{self.path}, line {number}: not an attempt") from None
            self.attempts[attempt.key] = attempt

    def add(self, attempt: Attempt) -> None:
        """Write an attempt; flushed, so that a kill loses at most the line under way."""
        self.attempts[attempt.key] = attempt
        with self.path.open("a", encoding="utf-8") as out:
            out.write(attempt.model_dump_json() + "\n")


def join(paths: Sequence[Path]) -> list[Attempt]:
    """The attempts of several journals. Raises UsageError for a file that is none, for journals made
    under different options, and for an attempt that two of them tell differently."""
    attempts: dict[tuple[str, str, str, int], Attempt] = {}
    options: dict[str, object] = {}
    for path in paths:
        try:
            header = json.loads(path.read_text("utf-8").partition("\n")[0])
        except (OSError, ValueError):
            raise UsageError(f"{path}: not the journal of a comparison") from None
        if not isinstance(header, dict):
            raise UsageError(f"{path}: not the journal of a comparison")
        options = options or header
        if header.get("options") != options.get("options"):
            raise UsageError(f"{path} was made under other options than {paths[0]}: not comparable")
        for key, attempt in Journal(path, header).attempts.items():
            if attempts.setdefault(key, attempt).solved != attempt.solved:
                raise UsageError(f"{path}: {' '.join(map(str, key))} has another result elsewhere")
    if not attempts:
        raise UsageError(f"{', '.join(map(str, paths))}: no attempts")
    return list(attempts.values())


async def sweep(
    suites: Mapping[str, Sequence[Problem]],
    systems: Sequence[str],
    seeds: Sequence[int],
    solve: Solve,
    journal: Journal,
    *,
    concurrency: int = 4,
    on_attempt: Callable[[Attempt, int, int], None] = lambda attempt, done, of: None,
) -> list[Attempt]:
    """Every system on every problem with every seed; attempts in the journal are not made again.

    Problems are the outer loop, so that a sweep cut short compares all systems on what it reached.
    ``on_attempt`` hears of each new attempt with how many are done of how many. Raises UsageError for
    a problem without hidden checks; whatever ``solve`` raises stops the sweep.
    """
    wanted = [
        (suite, system, problem, seed)
        for suite, problems in suites.items()
        for problem in problems
        for seed in seeds
        for system in systems
    ]
    for suite, _, problem, _ in wanted:
        if not problem.hidden_checks:
            raise UsageError(
                f"suite {suite}: problem {problem.id} has no checker: nothing to compare"
            )
    keys = {(suite, system, problem.id, seed) for suite, system, problem, seed in wanted}
    waiting = iter([w for w in wanted if (w[0], w[1], w[2].id, w[3]) not in journal.attempts])

    async def worker() -> None:
        for suite, system, problem, seed in waiting:
            attempt = await solve(suite, system, problem, seed)
            journal.add(attempt)
            on_attempt(attempt, len(keys & journal.attempts.keys()), len(keys))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
    except BaseExceptionGroup as errors:  # the first is the reason, the others were cancelled
        raise errors.exceptions[0] from None
    return [journal.attempts[key] for key in sorted(keys)]


class Standing(Frozen):
    """How one system did on one suite."""

    system: str
    problems: int
    seeds: int
    attempts: int
    """Fewer than problems times seeds where joined sweeps did not make all of them."""
    solve_rate: float
    low: float
    high: float
    """95% Wilson limits, problems as the sample, each with the share of its seeds that solved it."""
    claimed_wrong: int
    """Attempts called verified whose hidden checks fail."""
    exhausted: int
    tokens: float
    """Per attempt, as calls and seconds."""
    calls: float
    seconds: float
    tokens_per_solve: float | None
    """``None`` where nothing was solved."""
    cost_per_solve: float | None
    """US dollars; ``None`` where nothing was solved or no price is known."""


class Difference(Frozen):
    """A system against the baseline on the problems that both tried."""

    system: str
    baseline: str
    problems: int
    difference: float
    low: float
    high: float
    """Solve rate minus the baseline's, with its 95% paired bootstrap interval."""
    only_system: int
    only_baseline: int
    """Problems that the one solves more often than the other."""
    p: float
    """McNemar, exact, two-sided."""
    p_holm: float
    """Adjusted for the number of systems compared."""
    power: float
    """Probability of p ≤ 0.05 with as many problems, were the observed effect the true one."""
    problems_needed: int | None
    """For 80% power at the observed effect; ``None`` where there is none."""
    verdict: str
    """``better``, ``worse`` or ``no benefit``."""

    @property
    def words(self) -> str:
        """The verdict as a sentence."""
        points = (
            f"{100 * self.difference:+.1f} points ({100 * self.low:+.1f} to {100 * self.high:+.1f})"
        )
        if self.verdict == "no benefit":
            reason = (
                "the interval includes zero"
                if self.low <= 0 <= self.high
                else f"p = {self.p_holm:.2g} after Holm's correction"
            )
            return f"{self.system}: no benefit over {self.baseline}: {points}; {reason}"
        return (
            f"{self.system} is {self.verdict} than {self.baseline}: {points}, p = {self.p_holm:.2g}"
        )


class Comparison(Frozen):
    """The analysis of one suite."""

    suite: str
    standings: tuple[Standing, ...]
    differences: tuple[Difference, ...]


def analyse(attempts: Iterable[Attempt], systems: Sequence[str], baseline: str) -> list[Comparison]:
    """One comparison for each suite, in the order of appearance.

    Raises UsageError where the baseline is not among the systems, or two systems share no problem.
    """
    if baseline not in systems:
        raise UsageError(f"--baseline {baseline} is not among the systems: {', '.join(systems)}")
    by_suite: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        by_suite.setdefault(attempt.suite, []).append(attempt)
    return [_suite(suite, found, systems, baseline) for suite, found in by_suite.items()]


def _suite(
    suite: str, attempts: list[Attempt], systems: Sequence[str], baseline: str
) -> Comparison:
    made = {s: [a for a in attempts if a.system == s] for s in systems}
    present = [s for s in systems if made[s]]
    raw = [_difference(s, baseline, made) for s in present if s != baseline and made[baseline]]
    adjusted = statistics.holm({d.system: d.p for d in raw})
    return Comparison(
        suite=suite,
        standings=tuple(_standing(s, made[s]) for s in present),
        differences=tuple(_judged(d, adjusted[d.system]) for d in raw),
    )


def _standing(system: str, attempts: list[Attempt]) -> Standing:
    shares = _shares(attempts)
    rate = sum(shares.values()) / len(shares)
    low, high = statistics.wilson(sum(shares.values()), len(shares))
    solved, count = sum(a.solved for a in attempts), len(attempts)
    costs = [a.cost for a in attempts]
    total = None if None in costs else sum(c for c in costs if c is not None)
    tokens = sum(a.tokens for a in attempts)
    return Standing(
        system=system, problems=len(shares), seeds=len({a.seed for a in attempts}),
        attempts=count, solve_rate=rate, low=low, high=high,
        claimed_wrong=sum(a.claimed and not a.solved for a in attempts),
        exhausted=sum(a.exhausted for a in attempts),
        tokens=tokens / count, calls=sum(a.calls for a in attempts) / count,
        seconds=sum(a.seconds for a in attempts) / count,
        tokens_per_solve=tokens / solved if solved else None,
        cost_per_solve=total / solved if solved and total is not None else None,
    )  # fmt: skip


def _shares(attempts: Iterable[Attempt]) -> dict[str, float]:
    """Problem → share of its seeds that solved it."""
    runs: dict[str, list[bool]] = {}
    for attempt in attempts:
        runs.setdefault(attempt.problem, []).append(attempt.solved)
    return {problem: sum(solved) / len(solved) for problem, solved in runs.items()}


def _difference(system: str, baseline: str, made: dict[str, list[Attempt]]) -> Difference:
    tried = [{(a.problem, a.seed) for a in made[s]} for s in (system, baseline)]
    both = tried[0] & tried[1]
    if not both:
        raise UsageError(f"{system} and {baseline} were run on different problems: no comparison")
    ours, theirs = (
        _shares(a for a in made[s] if (a.problem, a.seed) in both) for s in (system, baseline)
    )
    differences = [ours[p] - theirs[p] for p in sorted(ours)]
    better, worse = statistics.discordant(differences)
    interval, n = statistics.paired_bootstrap(differences), len(differences)
    effect, rate = (better - worse) / n, (better + worse) / n
    return Difference(
        system=system, baseline=baseline, problems=n, difference=interval.estimate,
        low=interval.low, high=interval.high, only_system=better, only_baseline=worse,
        p=statistics.mcnemar(better, worse), p_holm=1.0,
        power=statistics.mcnemar_power(better / n, worse / n, n),
        problems_needed=statistics.pairs_needed(effect, rate) if effect else None,
        verdict="no benefit",
    )  # fmt: skip


def _judged(difference: Difference, p_holm: float) -> Difference:
    clear = (difference.low > 0 or difference.high < 0) and p_holm <= ALPHA
    better = "better" if difference.difference > 0 else "worse"
    verdict = better if clear else "no benefit"
    return difference.model_copy(update={"p_holm": p_holm, "verdict": verdict})
