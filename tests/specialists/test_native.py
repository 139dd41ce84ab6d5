"""The native prior: a step's kind counts with every scorer, in every router."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from harness.wiring import PROMPT_FLEET
from specialists.registry import ADAPTERS_FOLDER, Card, Registry
from specialists.routing import (
    AdaptiveRouter,
    Ask,
    Cascade,
    EmbeddingScorer,
    Ensemble,
    PlainRouter,
    Policy,
    WinnerTakeAll,
    natives,
)
from specialists.routing.contract import NATIVE_ODDS, favoured
from specialists.routing.policies import shares
from tiers.domains import installed

CODE = [
    "code it as a function", "program the solution", "implement it", "code it",
    "Compute the total cost of the apples as a Python function.", "turn the arithmetic above into code",
    "Write a SQL query that counts users", "program the general case", "write Python code for it",
]  # fmt: skip


class Fixed:
    """Scores that know nothing of kinds."""

    def __init__(self, *row: float) -> None:
        self.row = row

    async def score(self, tasks: Sequence[str], cards: Sequence[Card]) -> np.ndarray:
        return np.array([self.row] * len(tasks))


def chosen(router: object, *asks: Ask) -> list[str]:
    found = asyncio.run(router.route(asks, PROMPT_FLEET))  # type: ignore[attr-defined]
    return [decision.specialist for decision in found]


@pytest.mark.slow
@pytest.mark.parametrize("task", CODE)
def test_code_goes_to_the_coder_of_a_fleet_by_prompt(task: str) -> None:
    router = PlainRouter(EmbeddingScorer(), WinnerTakeAll())
    native = natives(PROMPT_FLEET, ("code", "coder"))
    assert chosen(router, Ask(task, native=native)) == ["coder"]


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_prior_is_odds_on_the_scale_of_the_scores(temperature: float) -> None:
    ask = Ask("x", native=frozenset({"coder"}))
    before = shares(np.zeros(3), temperature)
    after = shares(favoured(np.zeros(3), ask, PROMPT_FLEET, temperature), temperature)
    assert before[2] / before[0] == pytest.approx(1.0)
    assert after[2] / after[0] == pytest.approx(NATIVE_ODDS)


def test_strong_evidence_and_a_bar_weigh_more_than_the_kind() -> None:
    near = PlainRouter(Fixed(0.1, 0.3, 0.2), WinnerTakeAll())
    far = PlainRouter(Fixed(0.1, 0.9, 0.2), WinnerTakeAll())
    native = frozenset({"coder"})
    assert chosen(near, Ask("x"), Ask("y", native=native)) == ["solver", "coder"]
    assert chosen(far, Ask("y", native=native)) == ["solver"]
    assert chosen(near, Ask("y", native=native, barred=native)) == ["solver"]


@pytest.mark.parametrize("policy", [WinnerTakeAll(), Ensemble(), Cascade(floor=0.5)])
def test_every_policy_sees_it(policy: Policy) -> None:
    router = PlainRouter(Fixed(0.1, 0.3, 0.2), policy)
    assert chosen(router, Ask("x", native=frozenset({"coder"}))) == ["coder"]


def test_the_adaptive_router_sees_it_and_its_table_does_not_learn_it() -> None:
    scorer = Fixed(0.1, 0.3, 0.2)
    router = AdaptiveRouter(scorer, WinnerTakeAll(), fallback=scorer)
    asks = [Ask("code it", native=frozenset({"coder"})), Ask("code it")]
    assert chosen(router, *asks) == ["coder", "solver"]
    assert chosen(router, *asks) == ["coder", "solver"]


def of_kind(cards: Sequence[Card], kind: str) -> frozenset[str]:
    return natives(cards, installed().craft(kind, {}).native)


def test_whom_a_kind_belongs_to() -> None:
    pocket = [c for c in Registry.load(ADAPTERS_FOLDER).cards() if c.status != "control"]
    assert of_kind(pocket, "code") == {"code"}
    assert of_kind(pocket, "explain") == {"explain"}
    assert of_kind(pocket, "solve") == frozenset()
    assert of_kind(PROMPT_FLEET, "explain") == {"general"}
    assert of_kind(PROMPT_FLEET, "solve") == {"solver"}
    assert of_kind(PROMPT_FLEET, "text") == frozenset()
    assert natives(PROMPT_FLEET, installed().roles["code"]) == {"coder"}
    two = [*PROMPT_FLEET, PROMPT_FLEET[2].model_copy(update={"name": "second"})]
    assert of_kind(two, "code") == {"coder", "second"}
