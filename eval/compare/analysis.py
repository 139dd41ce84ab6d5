"""Analysis of a sweep's attempts: the results of each system, and whether it is better than the
baseline.

A pure function of the attempts. "No difference was found" is not "there is none": the latter is
reported only where the sample would have shown the smallest effect of interest, and its interval
excludes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from eval import statistics
from eval.compare.attempts import Attempt, Frozen
from state.errors import UsageError

ALPHA = 0.05
SMALLEST_EFFECT = 0.05
"""Smallest effect of interest, as a difference in solve rate, unless another is stated."""

Verdict = Literal["better", "worse", "no benefit", "undecided"]


class Standing(Frozen):
    """Results of one system on one suite."""

    system: str
    problems: int
    seeds: int
    attempts: int
    """Number of attempts, lost ones included; fewer than problems times seeds if joined sweeps lack
    some."""
    lost: int
    """Attempts without a usable answer or without a verdict of the judge; excluded from all other
    figures."""
    solve_rate: float | None
    """Solve rate; ``None`` where every attempt was lost."""
    low: float
    high: float
    """95% Wilson limits, with problems as the sample, each counted by the share of its seeds that
    solved it."""
    claimed_wrong: int
    """Attempts called verified whose hidden checks fail."""
    exhausted: int
    tokens: float
    """Mean tokens of an attempt; calls and seconds are means as well."""
    calls: float
    seconds: float
    tokens_per_solve: float | None
    """Tokens for each solved problem; ``None`` where nothing was solved."""
    cost_per_solve: float | None
    """US dollars for each solved problem; ``None`` where nothing was solved or no price is
    known."""


class Difference(Frozen):
    """A system against the baseline on the problems for which both have a result."""

    system: str
    baseline: str
    problems: int
    left_out: int
    """Attempts (problem and seed) that both systems made and one of them lost."""
    difference: float
    low: float
    high: float
    """Solve rate minus the baseline's, with its 95% paired bootstrap interval."""
    only_system: int
    only_baseline: int
    """Problems that the baseline solves more often than the system; ``only_system`` counts the
    opposite."""
    p: float
    """p value of McNemar's test, exact, two-sided."""
    p_holm: float
    """p value adjusted for the number of systems compared."""
    smallest_effect: float
    """Smallest effect of interest, as a difference in solve rate."""
    power: float
    """Probability of finding a true difference of that size with as many problems, at the strictest
    level that Holm's correction may require."""
    problems_needed: int
    """Problems needed for 80% power; where there is that much power, for a decisive interval."""
    verdict: Verdict

    @property
    def words(self) -> str:
        """The verdict as a sentence."""
        points = (
            f"{100 * self.difference:+.1f} points ({100 * self.low:+.1f} to {100 * self.high:+.1f}), "
            f"p = {self.p_holm:.2g}"
        )
        left = f"; left out because an attempt was lost: {self.left_out}" if self.left_out else ""
        effect = f"a difference of {100 * self.smallest_effect:g} points"
        match self.verdict:
            case "no benefit":
                return (
                    f"{self.system}: no benefit over {self.baseline}: {points}; {self.problems} "
                    f"problems would have shown {effect} with probability {self.power:.0%}{left}"
                )
            case "undecided":
                return (
                    f"{self.system}: undecided against {self.baseline}: {points}; to tell {effect} "
                    f"from none, {self.problems_needed:,} problems needed, not "
                    f"{self.problems:,}{left}"
                )
        return f"{self.system} is {self.verdict} than {self.baseline}: {points}{left}"


class Comparison(Frozen):
    """The analysis of one suite."""

    suite: str
    standings: tuple[Standing, ...]
    differences: tuple[Difference, ...]

    @property
    def sentences(self) -> list[str]:
        """The findings in words."""
        all_lost = [s.system for s in self.standings if s.solve_rate is None]
        return [
            *(d.words for d in self.differences),
            *(f"{system}: every attempt was lost, so nothing is compared" for system in all_lost),
        ]


def analyse(
    attempts: Iterable[Attempt],
    systems: Sequence[str],
    baseline: str,
    smallest_effect: float = SMALLEST_EFFECT,
) -> list[Comparison]:
    """One comparison for each suite, in the order of appearance.

    Raises UsageError where the baseline is not among the systems, where two systems share no problem,
    and for a smallest effect that is no share.
    """
    if baseline not in systems:
        raise UsageError(f"--baseline {baseline} is not among the systems: {', '.join(systems)}")
    check_effect(smallest_effect)
    by_suite: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        by_suite.setdefault(attempt.suite, []).append(attempt)
    return [
        _suite(suite, found, systems, baseline, smallest_effect)
        for suite, found in by_suite.items()
    ]


def check_effect(smallest: float) -> None:
    """Raise UsageError for a smallest effect that is no difference of solve rates."""
    if not 0 < smallest <= 1:
        raise UsageError(
            f"--smallest-effect: a difference in solve rate between 0 and 1, such as "
            f"{SMALLEST_EFFECT:g}, not {smallest:g}"
        )


def judge(
    p: float,
    interval: statistics.Interval,
    found: statistics.Resolution,
    smallest: float,
    *,
    both: bool = False,
) -> Verdict:
    """The verdict from a test, its interval and the power of the sample.

    With ``both``, not only a benefit but also a harm of the smallest effect has to be excluded.
    """
    if p > ALPHA:
        none = found.suffices and interval.rules_out(smallest, both=both)
        return "no benefit" if none else "undecided"
    if not interval.excludes_zero:
        return "undecided"
    return "better" if interval.estimate > 0 else "worse"


def _suite(
    suite: str, attempts: list[Attempt], systems: Sequence[str], baseline: str, smallest: float
) -> Comparison:
    made = {s: [a for a in attempts if a.system == s] for s in systems}
    present = [s for s in systems if made[s]]
    others = [s for s in present if s != baseline and made[baseline]]
    paired = {s: p for s in others if (p := _paired(s, baseline, made))[0]}
    p_values = {s: statistics.mcnemar(*statistics.discordant(d)) for s, (d, _) in paired.items()}
    adjusted = statistics.holm(p_values)
    return Comparison(
        suite=suite,
        standings=tuple(_standing(s, made[s]) for s in present),
        differences=tuple(
            _difference(s, baseline, found, left, adjusted[s], smallest, ALPHA / len(paired))
            for s, (found, left) in paired.items()
        ),
    )


def _standing(system: str, attempts: list[Attempt]) -> Standing:
    counted = [a for a in attempts if not a.lost]
    shares = _shares(counted)
    low, high = statistics.wilson(sum(shares.values()), len(shares))
    solved, count = sum(a.solved for a in counted), len(counted) or 1
    costs = [a.cost for a in counted]
    total = None if None in costs else sum(c for c in costs if c is not None)
    tokens = sum(a.tokens for a in counted)
    return Standing(
        system=system, problems=len({a.problem for a in attempts}),
        seeds=len({a.seed for a in attempts}), attempts=len(attempts),
        lost=len(attempts) - len(counted),
        solve_rate=sum(shares.values()) / len(shares) if shares else None, low=low, high=high,
        claimed_wrong=sum(a.claimed and not a.solved for a in counted),
        exhausted=sum(a.exhausted for a in counted),
        tokens=tokens / count, calls=sum(a.calls for a in counted) / count,
        seconds=sum(a.seconds for a in counted) / count,
        tokens_per_solve=tokens / solved if solved else None,
        cost_per_solve=total / solved if solved and total is not None else None,
    )  # fmt: skip


def _shares(attempts: Iterable[Attempt]) -> dict[str, float]:
    """Problem → share of its seeds that solved it."""
    runs: dict[str, list[bool]] = {}
    for attempt in attempts:
        runs.setdefault(attempt.problem, []).append(attempt.solved)
    return {problem: sum(solved) / len(solved) for problem, solved in runs.items()}


def _paired(system: str, baseline: str, made: dict[str, list[Attempt]]) -> tuple[list[float], int]:
    """For each problem, the share of seeds that the system solved minus the baseline's; and the
    number of attempts that are left out because one of the two was lost. Raises UsageError."""
    tried = [{(a.problem, a.seed) for a in made[s]} for s in (system, baseline)]
    if not tried[0] & tried[1]:
        raise UsageError(f"{system} and {baseline} were run on different problems: no comparison")
    told = [{(a.problem, a.seed) for a in made[s] if not a.lost} for s in (system, baseline)]
    both = told[0] & told[1]
    ours, theirs = (
        _shares(a for a in made[s] if (a.problem, a.seed) in both) for s in (system, baseline)
    )
    return [ours[p] - theirs[p] for p in sorted(ours)], len(tried[0] & tried[1]) - len(both)


def _difference(
    system: str,
    baseline: str,
    differences: list[float],
    left_out: int,
    p_holm: float,
    smallest: float,
    alpha: float,
) -> Difference:
    better, worse = statistics.discordant(differences)
    interval, n = statistics.paired_bootstrap(differences), len(differences)
    found = statistics.resolution(smallest, better + worse, n, alpha)
    verdict = judge(p_holm, interval, found, smallest)
    needed = found.needed
    if verdict == "undecided" and found.suffices:
        needed = statistics.pairs_to_decide(interval, smallest, n)
    return Difference(
        system=system, baseline=baseline, problems=n, left_out=left_out,
        difference=interval.estimate, low=interval.low, high=interval.high, only_system=better,
        only_baseline=worse, p=statistics.mcnemar(better, worse), p_holm=p_holm,
        smallest_effect=smallest, power=found.power,
        problems_needed=needed, verdict=verdict,
    )  # fmt: skip
