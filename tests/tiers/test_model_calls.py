"""Model calls: limits, deadline and stops apply to calls under way, and every call is accounted
for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from specialists.backends.base import GenerateRequest, GenerateResponse, Message, Sampling, Usage
from specialists.registry import Card
from state import BackendTimeout, BackendUnavailable, BeadStore, Ledger
from state.errors import AdapterError, BadAnswer, BudgetExceeded, RequestRefused
from state.ledger import LOST
from tests.oracle import OracleBackend
from tiers import model_calls
from tiers.budget import Meter, Price
from tiers.model_calls import Caller, Interrupted, Origin
from tiers.protocol import Budget

CARD = Card(name="one", domain="one", description="one", max_tokens=80)
LONG = 60.0


class Scripted(OracleBackend):
    """Answers after ``delay`` with ``size`` words, or raises; counts the prompt by its words."""

    def __init__(self, *, size: int = 10, error: Exception | None = None, **more: float) -> None:
        super().__init__(delay=more.get("delay", 0.001))
        self.size, self.error = size, error
        self.answering: str | None = None
        self.template = int(more.get("template", 0))

    async def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResponse]:
        (request,) = requests
        self.calls.append(request)
        await asyncio.sleep(self.delay)
        if self.error is not None:
            raise self.error
        size = min(self.size, request.sampling.max_tokens)
        words = len(request.messages[-1].content.split())
        return [
            GenerateResponse(
                text="x " * size, finish_reason="stop", adapter=self.answering, model="oracle",
                usage=Usage(prompt_tokens=words + self.template, completion_tokens=size),
                latency_s=0.001,
            )
        ]  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    store = BeadStore.open(tmp_path / "state.db")
    yield Ledger(store)
    store.close_database()


def caller(
    ledger: Ledger, backend: Scripted, price: Price | None = None, **budget: float
) -> Caller:
    meter = Meter(Budget.model_validate(budget), ledger.spent("r"), price=price)
    return Caller("r", backend, ledger, meter)


async def ask(call: Caller, number: int = 0) -> str:
    prompt = " ".join([str(number)] * 20)
    messages = (Message(role="user", content=prompt),)
    return (await call(CARD, messages, Origin("b", "fleet"), Sampling(max_tokens=80))).response


@pytest.mark.parametrize("limit", [25, 100, 300, 1000])
def test_concurrent_calls_keep_to_the_tokens(ledger: Ledger, limit: int) -> None:
    backend = Scripted()

    async def many() -> list[object]:
        call = caller(ledger, backend, tokens=limit)
        found = await asyncio.gather(*(ask(call, k) for k in range(30)), return_exceptions=True)
        await call.drain()
        return list(found)

    found = asyncio.run(many())
    answered = sum(isinstance(one, str) for one in found)
    assert answered == min(30, limit // 30 + (limit % 30 > 20))
    assert all(isinstance(one, str | BudgetExceeded) for one in found)
    assert ledger.spent("r").tokens <= limit


def test_a_template_longer_than_the_bound_is_learned(ledger: Ledger) -> None:
    async def some() -> Caller:
        call = caller(ledger, Scripted(template=15), tokens=170)
        for k in range(3):
            await ask(call, k)
        with pytest.raises(BudgetExceeded, match="the next prompt may have 35"):
            await ask(call, 3)
        return call

    assert asyncio.run(some()).meter.spent.tokens == 135


@pytest.mark.slow
def test_the_deadline_reaches_a_call_under_way(ledger: Ledger) -> None:
    began = time.monotonic()
    price = Price(prompt=1.0, completion=1.0)
    call = caller(ledger, Scripted(delay=LONG), price, seconds=0.2)
    with pytest.raises(BudgetExceeded, match=r"of 0.2 seconds"):
        asyncio.run(asyncio.wait_for(ask(call), 10))
    assert time.monotonic() - began < 5
    (lost,) = ledger.calls("r", lost=True)
    assert (lost.finish_reason, lost.response, lost.prompt_tokens) == (LOST, "", 20)
    assert (lost.completion_tokens, lost.cost) == (80, pytest.approx(1e-4))
    assert ledger.calls("r") == []
    assert ledger.lost("r") == 1
    assert call.meter.spent.tokens == ledger.spent("r").tokens == 100


def test_a_backend_that_keeps_the_deadline_itself(ledger: Ledger) -> None:
    backend = Scripted(error=BackendTimeout("too late"))
    with pytest.raises(BudgetExceeded, match="of 50 seconds"):
        asyncio.run(ask(caller(ledger, backend, seconds=50)))
    assert backend.calls[0].deadline == pytest.approx(time.monotonic() + 50, abs=30)
    assert ledger.lost("r") == 1


def test_a_timeout_without_a_deadline_is_the_endpoints(ledger: Ledger) -> None:
    with pytest.raises(BackendTimeout):
        asyncio.run(ask(caller(ledger, Scripted(error=BackendTimeout("slow")))))
    assert ledger.lost("r") == 1


@pytest.mark.slow
def test_a_stop_gives_calls_a_moment_and_then_gives_them_up(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_calls, "GRACE_S", 0.2)

    async def stopped(delay: float) -> object:
        call = caller(ledger, Scripted(delay=delay), calls=1)
        under_way = asyncio.create_task(ask(call, int(delay)))
        waiting = asyncio.create_task(ask(call, 7))
        await asyncio.sleep(0.05)
        call.stop()
        with pytest.raises(Interrupted):
            await asyncio.wait_for(waiting, 0.1)
        with pytest.raises(Interrupted):
            await ask(call, 8)
        await asyncio.wait_for(call.drain(), 10)
        return (await asyncio.gather(under_way, return_exceptions=True))[0]

    assert str(asyncio.run(stopped(0.1))).startswith("x ")
    assert ledger.lost("r") == 0


def test_a_call_given_up_is_asked_again_on_resume(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_calls, "GRACE_S", 0.05)

    async def stopped() -> None:
        call = caller(ledger, Scripted(delay=LONG))
        under_way = asyncio.create_task(ask(call))
        await asyncio.sleep(0.05)
        call.stop()
        with pytest.raises(Interrupted):
            await asyncio.wait_for(under_way, 10)

    asyncio.run(stopped())
    assert ledger.lost("r") == 1
    backend = Scripted()
    assert asyncio.run(ask(caller(ledger, backend))).startswith("x ")
    assert len(backend.calls) == 1
    assert asyncio.run(ask(caller(ledger, backend))).startswith("x ")
    assert len(backend.calls) == 1, "the answer of the resumed run is held"
    assert ledger.spent("r").calls == 2


def test_a_call_whose_step_is_cancelled_is_finished_and_recorded(ledger: Ledger) -> None:
    async def cancelled() -> None:
        call = caller(ledger, Scripted(delay=0.1))
        step = asyncio.create_task(ask(call))
        await asyncio.sleep(0.03)
        step.cancel()
        await call.drain()

    asyncio.run(cancelled())
    (answered,) = ledger.calls("r")
    assert answered.response.startswith("x ")


def test_an_endpoint_that_fails_is_not_charged(ledger: Ledger) -> None:
    call = caller(ledger, Scripted(error=BackendUnavailable("down")), calls=1)
    for _ in range(2):
        with pytest.raises(BackendUnavailable):
            asyncio.run(ask(call))
    assert ledger.spent("r").calls == call.meter.spent.calls == 0


def test_an_unusable_answer_may_have_been_paid_for(ledger: Ledger) -> None:
    with pytest.raises(BadAnswer):
        asyncio.run(ask(caller(ledger, Scripted(error=BadAnswer("no choices")))))
    assert (ledger.lost("r"), ledger.spent("r").tokens) == (1, 100)
    with pytest.raises(RequestRefused):
        asyncio.run(ask(caller(ledger, Scripted(error=RequestRefused("too long")))))
    assert ledger.lost("r") == 1, "a request that is refused costs nothing"


def test_an_answer_of_another_adapter_is_paid_for_and_answers_nothing(ledger: Ledger) -> None:
    backend = Scripted()
    backend.answering = "f" * 16
    with pytest.raises(AdapterError, match="ffff answered"):
        asyncio.run(ask(caller(ledger, backend)))
    assert (ledger.lost("r"), ledger.spent("r").tokens, ledger.calls("r")) == (1, 30, [])


def test_the_same_call_asked_twice_at_once_is_made_once(ledger: Ledger) -> None:
    backend = Scripted()

    async def twice() -> list[str]:
        call = caller(ledger, backend, tokens=100)
        other = asyncio.create_task(ask(call, 1))
        await asyncio.sleep(0)
        same = await asyncio.gather(ask(call), ask(call))
        await other
        return list(same)

    assert len(set(asyncio.run(twice()))) == 1
    assert len(backend.calls) == 2
