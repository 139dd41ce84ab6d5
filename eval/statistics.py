"""Statistics of paired comparisons on solved and unsolved problems.

Small pure functions, each with its source. A *pair* is one problem solved, or not, by two systems;
it is *discordant* when exactly one of them solves it. Only discordant pairs are evidence about
which is better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

POWER = 0.8
"""Probability of finding a true effect from which a sample counts as large enough."""
LARGE = 20_000
"""Number of pairs above which the approximate sample size is used."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence limits."""

    estimate: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether all of the interval lies on one side of zero."""
        return self.low > 0 or self.high < 0

    def rules_out(self, effect: float, *, both: bool = False) -> bool:
        """Whether the whole interval lies below ``effect``, and with ``both`` also above its
        negative."""
        return self.high < effect and (not both or self.low > -effect)


def wilson(won: float, count: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927, JASA 22:209); (0, 1) where ``count`` is 0.

    ``won`` may be a sum of shares, as when each of ``count`` problems was tried with several seeds.
    Raises ValueError unless 0 ≤ ``won`` ≤ ``count`` and 0 < ``level`` < 1.
    """
    _check_level(level)
    if not 0 <= won <= count:
        raise ValueError(f"{won} of {count} is no proportion")
    if count == 0:
        return 0.0, 1.0
    z, p = float(special.ndtri((1 + level) / 2)), won / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    low = 0.0 if won == 0 else middle - half
    return low, 1.0 if won == count else middle + half


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided exact p of McNemar's test from the discordant counts; 1 where there are none.

    McNemar 1947, Psychometrika 12:153, with the binomial tail in place of the χ² approximation.
    """
    n = only_a + only_b
    return float(stats.binomtest(only_a, n, 0.5).pvalue) if n else 1.0


def discordant(differences: Sequence[float]) -> tuple[int, int]:
    """(problems that A solves more often, problems that B does) from per-problem differences A − B.

    With several seeds a problem counts once, for the system that solved it in more of them: answers
    to one problem are not independent, and counting each seed would overstate the evidence.
    """
    return sum(d > 0 for d in differences), sum(d < 0 for d in differences)


def paired_bootstrap(
    differences: Sequence[float], *, draws: int = 10_000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Mean of the per-problem differences with its percentile bootstrap interval.

    Problems are drawn with replacement, each with all of its seeds (Efron 1979, Ann. Stat. 7:1;
    Koehn 2004 for pairing). Raises ValueError where there are no differences.
    """
    _check_level(level)
    values = np.asarray(differences, dtype=float)
    if values.size == 0:
        raise ValueError("no differences to draw from")
    rng = np.random.default_rng(seed)
    means = np.empty(draws)
    step = max(1, 4_000_000 // values.size)  # keeps the drawn indices below about 32 MB
    for start in range(0, draws, step):
        size = min(step, draws - start)
        means[start : start + size] = values[
            rng.integers(0, values.size, (size, values.size))
        ].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p values adjusted for their number, family-wise (Holm 1979, Scand. J. Stat. 6:65)."""
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda n: p_values[n])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def mcnemar_power(only_a: float, only_b: float, pairs: int, alpha: float = 0.05) -> float:
    """Probability that the exact McNemar test on ``pairs`` pairs gives p ≤ ``alpha``.

    ``only_a`` and ``only_b`` are the true probabilities of the two kinds of discordant pairs. Exact
    and unconditional: summed over the number of discordant pairs (Connor 1987, Biometrics 43:207).
    """
    rate = only_a + only_b
    if not 0 <= rate <= 1 or min(only_a, only_b) < 0 or pairs < 0:
        raise ValueError(f"no probabilities of discordant pairs: {only_a}, {only_b}")
    if rate == 0:
        return 0.0
    low, high = stats.binom.ppf([1e-12, 1 - 1e-12], pairs, rate)
    d = np.arange(max(0, int(low)), int(high) + 1)
    edge, share = _critical(d, alpha), only_a / rate
    found = stats.binom.cdf(edge, d, share) + stats.binom.sf(d - edge - 1, d, share)
    power = (stats.binom.pmf(d, pairs, rate) * np.where(edge >= 0, found, 0.0)).sum()
    return min(1.0, float(power))


def pairs_needed(
    difference: float, discordance: float, power: float = POWER, alpha: float = 0.05
) -> int:
    """Pairs for McNemar's test to find a ``difference`` in solve rate with probability ``power``.

    ``discordance`` is the share of pairs that are discordant, at least ``|difference|``. The formula
    is Connor's (1987, eq. 3). Raises ValueError for an effect that cannot be.
    """
    effect = abs(difference)
    if not 0 < effect <= discordance <= 1:
        raise ValueError(
            f"a difference of {difference:g} needs discordant pairs between {effect:g} and 1, "
            f"not {discordance:g}"
        )
    z_alpha, z_power = (float(special.ndtri(q)) for q in (1 - alpha / 2, power))
    spread = z_alpha * math.sqrt(discordance) + z_power * math.sqrt(discordance - effect * effect)
    return math.ceil((spread / effect) ** 2)


@cache
def exact_pairs(difference: float, discordance: float, alpha: float = 0.05) -> int:
    """The fewest pairs with which the exact test finds ``difference`` with probability
    :data:`POWER`.

    The search begins at the result of :func:`pairs_needed`; above :data:`LARGE` pairs that result
    is returned, because the two hardly differ there. Raises ValueError like :func:`pairs_needed`.
    """
    start = pairs_needed(difference, discordance, alpha=alpha)
    if start > LARGE:
        return start
    only_a, only_b = (discordance + difference) / 2, (discordance - difference) / 2

    def enough(pairs: int) -> bool:
        return mcnemar_power(only_a, only_b, pairs, alpha) >= POWER

    low, high = 0, start
    while not enough(high):
        low, high = high, high + max(1, high // 8)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


@dataclass(frozen=True)
class Resolution:
    """The ability of a paired sample to detect a smallest effect of interest."""

    power: float
    """Probability of finding a true difference of that size with the available pairs."""
    needed: int
    """Pairs with which that probability reaches :data:`POWER`."""

    @property
    def suffices(self) -> bool:
        """Whether a difference of that size would have been found, so that "none" may be
        reported."""
        return self.power >= POWER


def resolution(smallest: float, discordant: int, pairs: int, alpha: float = 0.05) -> Resolution:
    """Whether ``pairs`` pairs, ``discordant`` ones among them, could have shown a difference of
    ``smallest``.

    The share of discordant pairs is the observed one, but at least ``smallest``, because a smaller
    share cannot contain such a difference. Power is for a stated effect, never for the observed
    one, which would only restate the p value (Hoenig and Heisey 2001, Am. Stat. 55:19); sample size
    by Connor (1987, Biometrics 43:207), made exact. Raises ValueError unless 0 < ``smallest`` ≤ 1.
    """
    if not 0 < smallest <= 1:
        raise ValueError(f"a smallest effect lies between 0 and 1, not {smallest:g}")
    rate = max(discordant / pairs, smallest) if pairs else 1.0
    power = mcnemar_power((rate + smallest) / 2, (rate - smallest) / 2, pairs, alpha)
    needed = pairs if power >= POWER else max(exact_pairs(smallest, rate, alpha), pairs + 1)
    return Resolution(power, needed)


def pairs_to_decide(
    interval: Interval, smallest: float, pairs: int, *, both: bool = False, level: float = 0.95
) -> int:
    """Pairs with which the interval would exclude zero or ``smallest`` with probability
    :data:`POWER`.

    The computation assumes that the estimate on ``pairs`` pairs stays the same; the width falls
    with the square root of their number. The result is at least twice ``pairs``, because these were
    not enough. ``both`` as in :meth:`Interval.rules_out`.
    """
    estimate = interval.estimate
    above, below = interval.high - estimate, estimate - interval.low
    to_none = [(above, smallest - estimate), (below, smallest + estimate)][: 2 if both else 1]
    to_some = (below, estimate) if estimate > 0 else (above, -estimate)
    share = min(max(_share(*side) for side in to_none), _share(*to_some))
    wider = 1 + float(special.ndtri(POWER)) / float(special.ndtri((1 + level) / 2))
    return max(2 * pairs, math.ceil(pairs * (wider * share) ** 2))


def _share(half: float, room: float) -> float:
    return half / room if room > 0 else math.inf


def log_evidence(only_a: int, only_b: int, prior: float = 1.0) -> float:
    """Log of the e-value against "both equally good" after this many discordant pairs.

    The mixture likelihood ratio of a Beta(``prior``, ``prior``) probability that A wins a
    discordant pair against ½. It is a test martingale under the hypothesis, so it may be inspected
    after every pair (Robbins 1970, Ann. Math. Stat. 41:1397; Howard et al. 2021, Ann. Stat.
    49:1055).
    """
    mixed = special.betaln(prior + only_a, prior + only_b) - special.betaln(prior, prior)
    return float(mixed + (only_a + only_b) * math.log(2))


def always_valid(signs: Sequence[float], prior: float = 1.0) -> list[float]:
    """p value after each pair, valid for any number of inspections and any time of stopping.

    ``signs`` are the differences A − B in the order observed; zero is a concordant pair. The p
    value is one over the largest evidence so far (Ville 1939; Johari et al. 2022, Oper. Res.
    70:1806).
    """
    won, most = [0, 0], 0.0
    found: list[float] = []
    for sign in signs:
        if sign:
            won[0 if sign > 0 else 1] += 1
            most = max(most, log_evidence(won[0], won[1], prior))
        found.append(math.exp(-most))
    return found


def sequential_pairs(difference: float, discordance: float, alpha: float = 0.05) -> int:
    """Pairs after which :func:`always_valid` typically falls below ``alpha``.

    The result is the least number at which the expected discordant counts carry enough evidence: a
    typical, not a guaranteed stopping time. Raises ValueError like :func:`pairs_needed`.
    """
    fixed = pairs_needed(difference, discordance, alpha=alpha)
    share = (discordance + abs(difference)) / (2 * discordance)
    pairs = 1
    while pairs < 100 * fixed:
        d = discordance * pairs
        mixed = special.betaln(1 + share * d, 1 + (1 - share) * d) + d * math.log(2)
        if mixed >= -math.log(alpha):
            return pairs
        pairs += max(1, pairs // 100)
    return pairs


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, not {level}")


def _critical(d: NDArray[np.int64], alpha: float) -> NDArray[np.int64]:
    """Largest smaller counts of ``d`` discordant pairs with p ≤ ``alpha``; −1 where none has."""
    guess = stats.binom.ppf(alpha / 2, d, 0.5).astype(np.int64)
    edge: NDArray[np.int64]
    edge = np.where(stats.binom.cdf(guess, d, 0.5) <= alpha / 2, guess, guess - 1)
    return edge
