"""The statistics against scipy, published values and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from eval import statistics


@pytest.mark.parametrize(("won", "count"), [(0, 10), (3, 10), (10, 10), (81, 263), (999, 1000)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_wilson_agrees_with_scipy(won: int, count: int, level: float) -> None:
    found = statistics.wilson(won, count, level)
    wanted = stats.binomtest(won, count).proportion_ci(level, method="wilson")
    assert found == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_wilson_agrees_with_the_published_example() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, table I: 81 of 263
    low, high = statistics.wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_wilson_without_trials_says_nothing() -> None:
    assert statistics.wilson(0, 0) == (0.0, 1.0)
    for won, count in ((2, 1), (-1, 3)):
        with pytest.raises(ValueError, match="no proportion"):
            statistics.wilson(won, count)
    with pytest.raises(ValueError, match="confidence level"):
        statistics.wilson(1, 2, 95)


@pytest.mark.slow
@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_twice_the_binomial_tail(only_a: int, only_b: int) -> None:
    n = only_a + only_b
    tail = sum(math.comb(n, k) for k in range(min(only_a, only_b) + 1))
    assert statistics.mcnemar(only_a, only_b) == pytest.approx(min(1.0, 2 * tail / 2**n), rel=1e-9)


def test_mcnemar_copes_with_thousands_of_pairs() -> None:
    # The normal approximation with continuity correction is close for so many.
    z = (abs(3000 - 2500) - 0.5) / math.sqrt(5000 / 4)
    assert statistics.mcnemar(3000, 2000) == pytest.approx(2 * stats.norm.sf(z), rel=0.05)


def test_a_problem_counts_once_however_many_seeds() -> None:
    assert statistics.discordant([1.0, 1 / 3, 0.0, -1 / 3]) == (2, 1)


def test_bootstrap_agrees_with_scipy() -> None:
    rng = np.random.default_rng(3)
    values = rng.choice([-1.0, 0.0, 1.0], size=200, p=[0.1, 0.6, 0.3])
    found = statistics.paired_bootstrap(list(values), draws=20_000)
    wanted = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(4)
    ).confidence_interval
    assert found.estimate == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.01)


def test_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for trial in range(150):
        values = rng.choice([-1.0, 0.0, 1.0], size=80, p=[0.2, 0.5, 0.3])
        interval = statistics.paired_bootstrap(list(values), draws=400, seed=trial)
        hits += interval.low <= 0.1 <= interval.high
    assert 0.89 <= hits / 150 <= 0.99


def test_bootstrap_is_reproducible_and_knows_no_difference() -> None:
    assert statistics.paired_bootstrap([1, 0, 0]) == statistics.paired_bootstrap([1, 0, 0])
    none = statistics.paired_bootstrap([0.0] * 10)
    assert (none.low, none.high, none.excludes_zero) == (0.0, 0.0, False)
    assert statistics.paired_bootstrap([1.0] * 10).excludes_zero
    with pytest.raises(ValueError, match="no differences"):
        statistics.paired_bootstrap([])


def test_holm_agrees_with_the_step_down_by_hand() -> None:
    # Holm's step-down for four tests: 4 × .005, 3 × .01, 2 × .03 and the running maximum
    found = statistics.holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(found) == ["a", "b", "c", "d"]
    assert statistics.holm({}) == {}


@pytest.mark.slow
@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values: dict[str, float]) -> None:
    adjusted = statistics.holm(p_values)
    assert all(p <= adjusted[name] <= 1 for name, p in p_values.items())
    ranked = sorted(p_values, key=lambda n: p_values[n])
    assert [adjusted[n] for n in ranked] == sorted(adjusted.values())


@pytest.mark.parametrize(
    ("only_a", "only_b", "pairs"), [(0.25, 0.1, 100), (0.1, 0.1, 80), (0.3, 0.0, 25)]
)
def test_power_agrees_with_simulation(only_a: float, only_b: float, pairs: int) -> None:
    rng = np.random.default_rng(7)
    draws = rng.multinomial(pairs, [only_a, only_b, 1 - only_a - only_b], size=4000)
    p_of = {
        (a, b): stats.binomtest(a, a + b, 0.5).pvalue if a + b else 1.0
        for a, b in {(int(x), int(y)) for x, y, _ in draws}
    }
    share = np.mean([p_of[int(a), int(b)] <= 0.05 for a, b, _ in draws])
    assert statistics.mcnemar_power(only_a, only_b, pairs) == pytest.approx(share, abs=0.025)


def test_power_of_nothing_is_nothing() -> None:
    assert statistics.mcnemar_power(0, 0, 100) == 0.0
    assert statistics.mcnemar_power(0.5, 0.0, 0) == 0.0
    with pytest.raises(ValueError, match="probabilities"):
        statistics.mcnemar_power(0.8, 0.4, 10)


def test_the_pairs_needed_give_the_power_asked_for() -> None:
    for difference, discordance in ((0.1, 0.3), (0.2, 0.3), (0.05, 0.2)):
        pairs = statistics.pairs_needed(difference, discordance)
        only_a, only_b = (discordance + difference) / 2, (discordance - difference) / 2
        # the exact test is conservative, so it stays a little below the formula's 0.8
        assert 0.74 < statistics.mcnemar_power(only_a, only_b, pairs) < 0.82
    for difference, discordance in ((0.0, 0.3), (0.4, 0.3), (0.4, 1.1)):
        with pytest.raises(ValueError, match="discordant pairs between"):
            statistics.pairs_needed(difference, discordance)


@pytest.mark.parametrize(
    ("difference", "discordance"), [(0.05, 0.05), (0.05, 0.3), (0.1, 0.8), (1.0, 1.0)]
)
def test_exact_pairs_are_the_fewest_that_suffice(difference: float, discordance: float) -> None:
    pairs = statistics.exact_pairs(difference, discordance)
    halves = (discordance + difference) / 2, (discordance - difference) / 2
    assert statistics.mcnemar_power(*halves, pairs) >= statistics.POWER
    assert statistics.mcnemar_power(*halves, pairs - 1) < statistics.POWER


def test_a_small_sample_cannot_say_no_benefit() -> None:
    # Five problems, one solved by both and four by one alone: no test on five pairs reaches 5%.
    five = statistics.resolution(0.05, 4, 5)
    assert (five.power, five.suffices) == (0.0, False)
    assert five.needed == statistics.exact_pairs(0.05, 0.8) > 2000
    for pairs in (five.needed, five.needed + 500):
        enough = statistics.resolution(0.05, round(0.8 * pairs), pairs)
        assert enough.suffices
        assert enough.needed == pairs
    for effect in (0.0, -0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="smallest effect"):
            statistics.resolution(effect, 1, 10)


@pytest.mark.slow
@given(
    st.floats(0.005, 1),
    st.integers(0, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
)
def test_what_is_needed_is_more_than_what_does_not_suffice(
    effect: float, sample: tuple[int, int]
) -> None:
    pairs, discordant = sample
    found = statistics.resolution(effect, discordant, pairs)
    assert 0 <= found.power <= 1
    assert (found.needed == pairs) if found.suffices else (found.needed > pairs)


@pytest.mark.slow
@pytest.mark.parametrize(("discordance", "pairs"), [(0.05, 200), (0.1, 350), (0.3, 1200)])
def test_an_effect_of_the_smallest_size_is_seldom_called_none(
    discordance: float, pairs: int
) -> None:
    rng = np.random.default_rng(17)
    halves = [(discordance + 0.05) / 2, (discordance - 0.05) / 2]
    draws = rng.multinomial(pairs, [*halves, 1 - discordance], size=300)
    wrong = sum(
        statistics.mcnemar(int(a), int(b)) > 0.05
        and statistics.resolution(0.05, int(a + b), pairs).suffices
        for a, b, _ in draws
    )
    assert wrong / 300 <= 0.2


@pytest.mark.parametrize(("estimate", "half"), [(0.02, 0.04), (-0.02, 0.06), (0.0, 0.06)])
def test_the_pairs_that_decide_give_an_interval_that_does(estimate: float, half: float) -> None:
    seen = statistics.Interval(estimate, estimate - half, estimate + half)
    for both in (False, True):
        pairs = statistics.pairs_to_decide(seen, 0.05, 300, both=both)
        assert pairs >= 600
        reach = half * math.sqrt(300 / pairs)
        then = statistics.Interval(estimate, estimate - reach, estimate + reach)
        assert then.excludes_zero or then.rules_out(0.05, both=both)
    # With the width of that many pairs, four of five estimates decide: 0.84 standard errors of room.
    room = max(0.05 - abs(estimate), abs(estimate))
    assert room / (reach / 1.95996) == pytest.approx(1.95996 + 0.84162, rel=0.01)


def test_a_loss_is_excluded_where_a_change_is_asked_for() -> None:
    loss = statistics.Interval(-0.04, -0.07, -0.01)
    assert loss.rules_out(0.05)
    assert not loss.rules_out(0.05, both=True)
    assert not statistics.Interval(0.02, -0.01, 0.05).rules_out(0.05)


def test_evidence_is_the_mean_likelihood_ratio_over_its_prior() -> None:
    a, b = 9, 3
    grid = (np.arange(200_000) + 0.5) / 200_000
    wanted = np.mean((2 * grid) ** a * (2 * (1 - grid)) ** b)
    assert statistics.log_evidence(a, b) == pytest.approx(math.log(wanted), abs=1e-6)
    assert statistics.log_evidence(a, b) == pytest.approx(statistics.log_evidence(b, a))
    assert statistics.log_evidence(0, 0) == 0.0


@pytest.mark.slow
def test_peeking_after_every_pair_keeps_the_error_rate() -> None:
    rng = np.random.default_rng(11)
    falls, naive = 0, 0
    for _ in range(200):
        signs = rng.choice([-1.0, 0.0, 1.0], size=100, p=[0.3, 0.4, 0.3])
        falls += min(statistics.always_valid(list(signs))) <= 0.05
        a, b = np.cumsum(signs > 0), np.cumsum(signs < 0)
        naive += any(statistics.mcnemar(int(x), int(y)) <= 0.05 for x, y in zip(a, b, strict=True))
    assert falls / 200 <= 0.05
    assert naive / 200 > 0.05  # which is why the plain test must not be looked at again and again


@settings(max_examples=30)
@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), max_size=60))
def test_the_running_p_value_only_falls(signs: list[float]) -> None:
    found = statistics.always_valid(signs)
    assert len(found) == len(signs)
    assert all(0 < p <= 1 for p in found)
    assert found == sorted(found, reverse=True)


@pytest.mark.slow
def test_the_typical_stopping_time_is_typical() -> None:
    expected = statistics.sequential_pairs(0.3, 0.5)
    rng = np.random.default_rng(13)
    times = []
    for _ in range(100):
        signs = rng.choice([-1.0, 0.0, 1.0], size=20 * expected, p=[0.1, 0.5, 0.4])
        ps = statistics.always_valid(list(signs))
        times.append(next(k for k, p in enumerate(ps, 1) if p <= 0.05))
    assert 0.5 * expected < np.median(times) < 1.5 * expected
