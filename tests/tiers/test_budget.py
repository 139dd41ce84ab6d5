"""The budget under any sequence of concurrent calls: limits hold, nothing that was set aside is lost."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state import Usage
from state.errors import BudgetExceeded
from tiers.budget import Meter, Price, Reserved
from tiers.model_calls import Interrupted
from tiers.protocol import Budget

PRICE = Price(prompt=100.0, completion=700.0)


@dataclass(frozen=True)
class Plan:
    """One call of a random sequence."""

    prompt: int
    most: int
    share: float
    """Share of ``most`` that the call spends."""
    overspend: int
    """Tokens that the endpoint spends beyond what it was asked for."""
    ends: str
    """``answered``, ``failed`` at no cost, ``lost`` at the most, or ``cancelled`` by its step."""
    turns: int
    """Turns of the event loop that it takes."""
    starts: int


calls = st.builds(
    Plan,
    prompt=st.integers(0, 60),
    most=st.integers(1, 120),
    share=st.floats(0, 1),
    overspend=st.sampled_from([0, 0, 0, 1, 40]),
    ends=st.sampled_from(["answered", "answered", "answered", "failed", "lost", "cancelled"]),
    turns=st.integers(0, 4),
    starts=st.integers(0, 6),
)
budgets = st.builds(
    Budget,
    calls=st.none() | st.integers(1, 6),
    tokens=st.none() | st.integers(1, 400),
    cost=st.none() | st.floats(0.001, 0.2),
)


def everything(reserved: Reserved) -> Usage:
    """Usage of a call that spends everything that was reserved for it."""
    return Usage(
        calls=1, prompt_tokens=reserved.prompt_tokens,
        completion_tokens=reserved.completion_tokens, cost=reserved.cost,
    )  # fmt: skip


class Watch:
    """Makes calls against a meter and looks at its limits after every change."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.meter = Meter(budget, Usage(), price=PRICE)
        self.held: list[Reserved] = []
        self.beyond = 0
        self.charged: list[Usage] = []

    def look(self) -> None:
        """The sum of spent and reserved amounts stays within every limit, overspending excluded."""
        spent, limit = self.meter.spent, self.budget
        if limit.calls is not None:
            assert spent.calls + len(self.held) <= limit.calls
        aside = sum(r.prompt_tokens + r.completion_tokens for r in self.held)
        if limit.tokens is not None:
            assert spent.tokens + aside <= limit.tokens + self.beyond
        if limit.cost is not None:
            more = PRICE.of(0, self.beyond)
            dollars = spent.cost + sum(r.cost for r in self.held)
            assert dollars <= limit.cost + more + 1e-9

    def fits(self, plan: Plan) -> bool:
        """Whether the limits cover a token of answer when nothing else is under way."""
        spent, limit = self.meter.spent, self.budget
        dollars = spent.cost + PRICE.of(plan.prompt, 1)
        return (
            (limit.calls is None or spent.calls < limit.calls)
            and (limit.tokens is None or spent.tokens + plan.prompt < limit.tokens)
            and (limit.cost is None or dollars <= limit.cost)
        )

    async def call(self, plan: Plan) -> None:
        for _ in range(plan.starts):
            await asyncio.sleep(0)
        try:
            reserved = await self.meter.reserve(plan.prompt, plan.most)
        except BudgetExceeded:
            assert not self.fits(plan)
            return
        assert 1 <= reserved.completion_tokens <= plan.most
        self.held.append(reserved)
        self.look()
        try:
            for _ in range(plan.turns):
                await asyncio.sleep(0)
        finally:
            self.held.remove(reserved)
            usage = self.usage(plan, reserved)
            if usage is not None:
                self.charged.append(usage)
            self.meter.settle(reserved, usage)
            self.meter.settle(reserved, usage)
            self.look()

    def usage(self, plan: Plan, reserved: Reserved) -> Usage | None:
        if plan.ends == "failed":
            return None
        if plan.ends in ("lost", "cancelled"):
            return everything(reserved)
        answer = int(reserved.completion_tokens * plan.share) + plan.overspend
        self.beyond += max(0, answer - reserved.completion_tokens)
        return Usage(
            calls=1, prompt_tokens=reserved.prompt_tokens, completion_tokens=answer,
            cost=PRICE.of(reserved.prompt_tokens, answer),
        )  # fmt: skip


@pytest.mark.slow
@given(budgets, st.lists(calls, min_size=1, max_size=12), st.lists(st.integers(0, 8), max_size=3))
def test_any_sequence_of_calls(budget: Budget, plans: list[Plan], cancels: list[int]) -> None:
    async def all_of_them() -> Watch:
        watch = Watch(budget)
        tasks = [asyncio.create_task(watch.call(plan)) for plan in plans]
        for turn in range(9):
            await asyncio.sleep(0)
            for k in cancels:  # Some while they wait for their turn, some under way.
                if k == turn and k < len(tasks):
                    tasks[k].cancel()
            watch.look()
        found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        assert all(one is None or isinstance(one, asyncio.CancelledError) for one in found)
        return watch

    watch = asyncio.run(all_of_them())
    assert not watch.meter._reserved, "something was set aside and never settled"
    spent = watch.meter.spent
    assert spent.calls == len(watch.charged)
    assert spent.tokens == sum(u.tokens for u in watch.charged)


def meter(**limits: float) -> Meter:
    return Meter(Budget.model_validate(limits), Usage(), price=PRICE)


def test_ten_calls_of_at_most_100_tokens_within_300() -> None:
    """They spend 30 each, so all ten fit, though only three may be under way at first."""
    most = [0]

    async def call(bank: Meter) -> None:
        reserved = await bank.reserve(20, 80)
        most[0] = max(most[0], len(bank._reserved))
        await asyncio.sleep(0.001)
        bank.settle(reserved, Usage(calls=1, prompt_tokens=20, completion_tokens=10))

    async def ten() -> Meter:
        bank = meter(tokens=300)
        await asyncio.gather(*(call(bank) for _ in range(10)))
        return bank

    bank = asyncio.run(ten())
    assert (bank.spent.calls, bank.spent.tokens) == (10, 300)
    assert most[0] == 3
    assert bank.exhausted() == "300 of 300 tokens"


def test_what_does_not_fit_is_cut_and_what_cannot_fit_is_refused() -> None:
    async def some() -> None:
        bank = meter(tokens=100)
        reserved = await bank.reserve(30, 500)
        assert reserved.completion_tokens == 70
        bank.settle(reserved, None)
        with pytest.raises(
            BudgetExceeded, match="0 of 100 tokens, and the next prompt may have 100"
        ):
            await bank.reserve(100, 1)

    asyncio.run(some())


def test_dollars_cut_the_answer_too() -> None:
    async def some() -> None:
        bank = meter(cost=0.01)
        reserved = await bank.reserve(30, 500)
        assert reserved.completion_tokens == 10
        assert reserved.cost == pytest.approx(0.01)
        bank.settle(reserved, everything(reserved))
        with pytest.raises(BudgetExceeded, match=r"\$0.0100 of \$0.0100"):
            await bank.reserve(1, 1)

    asyncio.run(some())


async def _waits(bank: Meter) -> None:
    await bank.reserve(1, 1)
    await bank.reserve(1, 1)


def test_waiting_ends_at_the_deadline() -> None:
    began = time.monotonic()
    with pytest.raises(BudgetExceeded, match=r"0\.\d of 0.1 seconds"):
        asyncio.run(_waits(meter(calls=1, seconds=0.1)))
    assert time.monotonic() - began < 2


def test_waiting_ends_when_the_meter_is_closed() -> None:
    async def closed() -> None:
        bank = meter(calls=1)
        waiting = asyncio.create_task(_waits(bank))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        bank.close(Interrupted("stopped on request"))
        await waiting

    with pytest.raises(Interrupted, match="stopped on request"):
        asyncio.run(asyncio.wait_for(closed(), 5))


@pytest.mark.parametrize("raised", [TimeoutError("of another clock"), ValueError("x")])
def test_the_deadline_answers_for_itself_alone(raised: Exception) -> None:
    async def fails() -> None:
        async with meter(seconds=100).within():
            raise raised

    with pytest.raises(type(raised), match=str(raised)):
        asyncio.run(fails())
