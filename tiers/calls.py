"""The one door to the model: ledger first, then budget, then backend, then ledger again.

A call that the ledger holds is answered from it, so a resumed run pays for nothing twice. A call
that the budget does not cover is refused here and nowhere else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from specialists.backends.base import Backend, GenerateRequest, Message, RemarkKind, Sampling
from specialists.registry import Card
from state import Call, Ledger, Usage
from state.errors import AdapterError, BudgetExceeded, HarnessError
from state.status import Exit
from tiers.protocol import Budget
from tiers.together import Together

RESAMPLE_TEMPERATURE = 0.6
"""Of the first sample that is not greedy."""
TEMPLATE_TOKENS = 16
"""Upper estimate of what a chat template adds to a message."""


def resample_temperature(number: int, warmer: float) -> float:
    """Of resample ``number``, the first being 1; each further one is ``warmer``: what was wrong and
    certain at a low temperature stays so."""
    return RESAMPLE_TEMPERATURE + warmer * max(0, number - 1)


class Interrupted(HarnessError):
    """The user asked to stop; raised before the next call, with everything before it saved."""

    exit_code = Exit.INTERRUPTED


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens."""

    prompt: float = 0.0
    completion: float = 0.0

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


@dataclass
class Meter:
    """What the run has spent against what it may spend. Refuses with :class:`BudgetExceeded`."""

    budget: Budget
    spent: Usage
    """Ledger total at the start, kept up to date by every call."""
    seconds_before: float = 0.0
    """Working seconds of earlier processes on the same run."""
    started: float = field(default_factory=time.monotonic)
    pending: int = 0
    """Calls under way: they count as spent, so that parallel steps cannot overdraw."""

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self.started

    def exhausted(self) -> str | None:
        """Which limit does not cover another call, in words; ``None`` while all do."""
        spent, limit = self.spent, self.budget
        if limit.calls is not None and spent.calls + self.pending >= limit.calls:
            return f"{spent.calls + self.pending} of {limit.calls} calls"
        if limit.tokens is not None and spent.tokens >= limit.tokens:
            return f"{spent.tokens} of {limit.tokens} tokens"
        if limit.cost is not None and spent.cost >= limit.cost:
            return f"${spent.cost:.4f} of ${limit.cost:.4f}"
        if limit.seconds is not None and self.seconds >= limit.seconds:
            return f"{self.seconds:.0f} of {limit.seconds:.0f} seconds"
        return None

    def cap(self, sampling: Sampling, prompt_tokens: int) -> Sampling:
        """``sampling`` with ``max_tokens`` cut to what the token limit leaves."""
        if self.budget.tokens is None:
            return sampling
        left = self.budget.tokens - self.spent.tokens - prompt_tokens
        if left <= 0:
            raise BudgetExceeded(f"{self.spent.tokens} of {self.budget.tokens} tokens")
        return sampling.model_copy(update={"max_tokens": min(sampling.max_tokens, left)})


@dataclass(frozen=True)
class Origin:
    """Where in a run a call comes from; with prompt and parameters it is the call's identity."""

    bead_id: str
    tier: str
    attempt: int = 0
    sample: int = 0


REMARKS = "remarks"
"""Parameter of a recorded call under which stands what was unusual about its answer."""


def remarked(params: dict[str, object], remarks: Mapping[RemarkKind, str]) -> dict[str, object]:
    """``params`` with the remarks on an answer, where there are any."""
    return {**params, REMARKS: dict(remarks)} if remarks else params


def remarks_on(call: Call) -> dict[str, str]:
    """What was unusual about a call's answer, by kind; see ``RemarkKind``."""
    return dict(call.params.get(REMARKS, {}))


class Caller:
    """Makes model calls for all tiers of one run."""

    def __init__(
        self,
        run_id: str,
        backend: Backend,
        ledger: Ledger,
        meter: Meter,
        *,
        price: Price | None = None,
        temperature: float = 0.0,
        on_call: Callable[[Call, bool], None] | None = None,
    ) -> None:
        self.run_id, self.backend, self.ledger, self.meter = run_id, backend, ledger, meter
        self.price = price or Price()
        self.temperature = temperature
        """The least that any sample is drawn at."""
        self.on_call = on_call or (lambda call, replayed: None)
        self.stopping = False
        """Set by a signal handler: the next call raises :class:`Interrupted`."""
        self._under_way: dict[str, asyncio.Task[Call]] = {}
        self._record: Together[Call, Call] = Together(ledger.record_all)
        self._recorded = ledger.keys(run_id)

    async def __call__(
        self, card: Card, messages: tuple[Message, ...], origin: Origin, sampling: Sampling
    ) -> Call:
        """What ``card``'s specialist writes, as recorded. Raises ``BudgetExceeded``, ``Interrupted``."""
        if sampling.temperature < self.temperature:
            sampling = sampling.model_copy(update={"temperature": self.temperature})
        prompt = [m.model_dump() for m in messages]
        params: Mapping[str, object] = {**sampling.model_dump(), "model": self.backend.model_id}
        key = self.ledger.call_key(
            self.run_id, origin.bead_id, origin.attempt, origin.sample, prompt,
            card.adapter or "", dict(params),
        )  # fmt: skip
        held = self.ledger.find(key) if key in self._recorded else None
        if held:
            self.on_call(held, True)
            return held
        if key in self._under_way:
            return await asyncio.shield(self._under_way[key])
        if self.stopping:
            raise Interrupted("stopped on request")
        if spent := self.meter.exhausted():
            raise BudgetExceeded(spent)
        size = sum(self.backend.count_tokens(m.content) for m in messages)
        request = GenerateRequest(
            messages=messages,
            adapter=card.adapter,
            sampling=self._fitting(self.meter.cap(sampling, size), size, len(messages)),
        )
        # Once sent, a call is paid for: it is finished and recorded even if its step is cancelled.
        self.meter.pending += 1
        task = asyncio.create_task(self._send(card, request, origin, key, prompt, dict(params)))
        self._under_way[key] = task
        task.add_done_callback(lambda sent: self._ended(key, sent))
        return await asyncio.shield(task)

    def _ended(self, key: str, sent: asyncio.Task[Call]) -> None:
        del self._under_way[key]
        if not sent.cancelled():
            sent.exception()  # Who waits gets it; nobody may wait any more, as in a step cut short.

    def _fitting(self, sampling: Sampling, size: int, messages: int) -> Sampling:
        """``sampling`` with ``max_tokens`` cut to what a prompt of ``size`` tokens leaves.

        A prompt that leaves nothing goes out as it is, for the backend to refuse.
        """
        context = self.backend.context_tokens
        if context is None:
            return sampling
        left = context - size - TEMPLATE_TOKENS * (messages + 1)
        if not 0 < left < sampling.max_tokens:
            return sampling
        return sampling.model_copy(update={"max_tokens": left})

    async def drain(self) -> None:
        """Wait until every call that was sent is recorded."""
        while self._under_way:
            await asyncio.wait(self._under_way.values())

    async def _send(
        self,
        card: Card,
        request: GenerateRequest,
        origin: Origin,
        key: str,
        prompt: list[dict[str, Any]],
        params: dict[str, object],
    ) -> Call:
        try:
            (response,) = await self.backend.generate([request])
        finally:
            self.meter.pending -= 1
        if response.adapter != card.adapter:
            raise AdapterError(
                f"asked for adapter {card.adapter} of {card.name}, "
                f"{response.adapter or 'the base model'} answered"
            )
        usage = response.usage
        call = await self._record(
            Call(
                key=key, run_id=self.run_id, bead_id=origin.bead_id, tier=origin.tier,
                specialist=card.name, adapter_digest=card.adapter or "",
                model=response.model, response=response.text,
                prompt=prompt,
                prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens,
                latency_s=response.latency_s,
                cost=self.price.of(usage.prompt_tokens, usage.completion_tokens),
                finish_reason=response.finish_reason, attempt=origin.attempt,
                sample=origin.sample, params=remarked(params, response.remarks),
            )
        )  # fmt: skip
        self._recorded.add(key)
        spent_so_far = self.meter.spent
        self.meter.spent = Usage(
            calls=spent_so_far.calls + 1,
            prompt_tokens=spent_so_far.prompt_tokens + call.prompt_tokens,
            completion_tokens=spent_so_far.completion_tokens + call.completion_tokens,
            seconds=spent_so_far.seconds + call.latency_s,
            cost=spent_so_far.cost + call.cost,
        )
        self.on_call(call, False)
        return call
