"""Policies: each turns the same scores into another choice, and says how sure it is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from specialists.registry import Card
from specialists.routing import Ask, Cascade, Ensemble, PlainRouter, Probabilistic, WinnerTakeAll
from state import UsageError

CARDS = [
    Card(name=name, description=name, domain=name, max_tokens=size)
    for name, size in (("math", 400), ("code", 200), ("explain", 300), ("chain", 1000))
]
SCORES = np.array([0.5, 0.45, 0.1, 0.48])


def test_probabilistic_samples_by_share_and_the_same_for_the_same_key() -> None:
    policy = Probabilistic(temperature=0.1, seed=7)
    taken = Counter(policy.choose(SCORES, CARDS, f"step {k}").specialist for k in range(4000))
    powers = np.exp(SCORES / 0.1)
    for card, share in zip(CARDS, powers / powers.sum(), strict=True):
        assert taken[card.name] / 4000 == pytest.approx(share, abs=0.03)
    assert policy.choose(SCORES, CARDS, "step 3") == policy.choose(SCORES, CARDS, "step 3")
    other = [Probabilistic(0.1, seed=8).choose(SCORES, CARDS, f"step {k}") for k in range(40)]
    assert other != [policy.choose(SCORES, CARDS, f"step {k}") for k in range(40)]


def test_an_ensemble_takes_the_three_best() -> None:
    made = Ensemble().choose(SCORES, CARDS)
    assert (made.specialist, made.others, made.team) == ("math", ("chain", "code"), "ensemble")
    assert 0.9 < made.confidence < 1
    assert Ensemble().choose(SCORES[:1], CARDS[:1]).team == "one"


def test_a_cascade_begins_with_the_cheapest_acceptable() -> None:
    made = Cascade().choose(SCORES, CARDS)
    assert (made.specialist, made.others, made.team) == ("code", ("math", "chain"), "cascade")
    priced = Cascade(costs={"chain": 1.0}).choose(SCORES, CARDS)
    assert (priced.specialist, priced.others) == ("chain", ("code", "math"))
    sure = Cascade(temperature=0.001).choose(SCORES, CARDS)
    assert (sure.specialist, sure.others, sure.team) == ("math", (), "one")


@pytest.mark.parametrize(
    "policy", [WinnerTakeAll(), Probabilistic(), Ensemble(), Cascade()], ids=lambda p: type(p).__name__
)  # fmt: skip
def test_every_policy_refuses_bad_scores(policy: WinnerTakeAll) -> None:
    with pytest.raises(UsageError, match="fleet is empty"):
        policy.choose(np.array([]), [])
    with pytest.raises(UsageError, match="scores of code are not finite"):
        policy.choose(np.array([0.1, np.nan, 0.2, 0.3]), CARDS)
    with pytest.raises(UsageError, match="4 specialists"):
        policy.choose(np.array([0.1]), CARDS)
    one = policy.choose(np.array([0.3]), CARDS[:1])
    assert (one.specialist, one.confidence, one.others) == ("math", 1.0, ())


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="temperature"):
        Probabilistic(temperature=-1)
    with pytest.raises(UsageError, match="at least two"):
        Ensemble(size=1)
    with pytest.raises(UsageError, match="floor"):
        Cascade(floor=2)


class Fixed:
    def __init__(self) -> None:
        self.batches: list[int] = []

    async def score(self, tasks: Sequence[str], cards: Sequence[Card]) -> np.ndarray:
        self.batches.append(len(tasks))
        return np.tile(SCORES, (len(tasks), 1))


def test_a_plain_router_scores_a_batch_once_and_bars_who_has_failed() -> None:
    scorer = Fixed()
    router = PlainRouter(scorer, WinnerTakeAll())
    everyone = frozenset(c.name for c in CARDS)
    asks = [Ask("a"), Ask("b", barred=frozenset({"math"})), Ask("c", barred=everyone)]
    made = asyncio.run(router.route(asks, CARDS))
    assert [d.specialist for d in made] == ["math", "chain", "math"]
    assert "math" not in made[1].scores
    assert scorer.batches == [3]
    assert all(d.cost > 0 and d.path == "expensive" for d in made)
