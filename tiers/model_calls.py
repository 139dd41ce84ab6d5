"""All calls of the model: looked up in the ledger, reserved in the budget, sent, and recorded.

A call in the ledger is answered from it, so a resumed run never pays twice. This is the only place
where a call that the budget does not cover is refused. A call that was sent and got no answer is
recorded as lost, at the most that it can have cost.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from specialists.backends.base import (
    TEMPLATE_TOKENS,
    Backend,
    GenerateRequest,
    GenerateResponse,
    Message,
    RemarkKind,
    Sampling,
)
from specialists.registry import Card
from state import Call, Ledger, Usage
from state.errors import (
    AdapterError,
    BackendTimeout,
    BadAnswer,
    BudgetExceeded,
    HarnessError,
    RequestRefused,
    Unanswered,
)
from state.ledger import LOST
from state.status import Exit
from tiers.budget import Meter, Reserved
from tiers.coalesce import Coalesce

RESAMPLE_TEMPERATURE = 0.6
"""Temperature of the first non-greedy sample."""
SLACK_S = 0.2
"""Seconds after the deadline in which a backend may still report that the deadline has passed."""
GRACE_S = 2.0
"""Seconds in which calls under way may still answer after a request to stop."""


def resample_temperature(number: int, warmer: float) -> float:
    """Temperature of resample ``number``, from 1. Each further resample is ``warmer`` by this much,
    because an error that is certain at a low temperature would be repeated."""
    return RESAMPLE_TEMPERATURE + warmer * max(0, number - 1)


class Interrupted(HarnessError):
    """The user asked to stop: no further call is made, and finished work is saved."""

    exit_code = Exit.INTERRUPTED


@dataclass(frozen=True)
class Origin:
    """Where in a run a call comes from; together with prompt and parameters this identifies the
    call."""

    bead_id: str
    tier: str
    attempt: int = 0
    sample: int = 0


REMARKS = "remarks"
"""Parameter of a recorded call that holds the remarks on its answer."""


def remarked(params: dict[str, object], remarks: Mapping[RemarkKind, str]) -> dict[str, object]:
    """``params`` with the remarks on an answer, where there are any."""
    return {**params, REMARKS: dict(remarks)} if remarks else params


def remarks_on(call: Call) -> dict[str, str]:
    """The remarks on a call's answer, by kind; see ``RemarkKind``."""
    return dict(call.params.get(REMARKS, {}))


@dataclass(frozen=True)
class _Asked:
    """A call on its way: the specialist, the prompt, and the reservation."""

    card: Card
    origin: Origin
    key: str
    request: GenerateRequest
    params: dict[str, Any]
    bound: int
    """Upper bound of the prompt's tokens, by the backend's count."""
    reserved: Reserved

    def record(
        self, run_id: str, remarks: Mapping[RemarkKind, str] | None = None, **fields: Any
    ) -> Call:
        """The ledger's row of the call."""
        return Call(
            run_id=run_id, bead_id=self.origin.bead_id, tier=self.origin.tier,
            specialist=self.card.name, adapter_digest=self.card.adapter or "",
            prompt=[m.model_dump() for m in self.request.messages], attempt=self.origin.attempt,
            sample=self.origin.sample, params=remarked(self.params, remarks or {}), **fields,
        )  # fmt: skip


class Caller:
    """Makes model calls for all tiers of one run."""

    def __init__(
        self,
        run_id: str,
        backend: Backend,
        ledger: Ledger,
        meter: Meter,
        *,
        temperature: float = 0.0,
        on_call: Callable[[Call, bool], None] | None = None,
    ) -> None:
        self.run_id, self.backend, self.ledger, self.meter = run_id, backend, ledger, meter
        self.temperature = temperature
        """Least temperature of any sample."""
        self.on_call = on_call or (lambda call, replayed: None)
        self._stopping = False
        self._under_way: dict[str, asyncio.Task[Call]] = {}
        self._record: Coalesce[Call, Call] = Coalesce(ledger.record_all)
        self._recorded = ledger.keys(run_id)
        self._template = 0
        """Most tokens by which a prompt exceeded its bound so far: the excess of a long
        template."""

    async def __call__(
        self, card: Card, messages: tuple[Message, ...], origin: Origin, sampling: Sampling
    ) -> Call:
        """The completion by ``card``'s specialist, as recorded. Raises ``BudgetExceeded``,
        ``Interrupted``."""
        if sampling.temperature < self.temperature:
            sampling = sampling.model_copy(update={"temperature": self.temperature})
        params: Mapping[str, object] = {**sampling.model_dump(), "model": self.backend.model_id}
        key = self.ledger.call_key(
            self.run_id, origin.bead_id, origin.attempt, origin.sample,
            [m.model_dump() for m in messages], card.adapter or "", dict(params),
        )  # fmt: skip
        if (held := self._held(key)) is not None:
            return await held
        sampling = self._fitting(sampling, messages)
        bound = self.backend.prompt_tokens(messages)
        reserved = await self.meter.reserve(bound + self._template, sampling.max_tokens)
        if (held := self._held(key)) is not None:  # Another caller asked the same in the meantime.
            self.meter.settle(reserved, None)
            return await held
        request = GenerateRequest(
            messages=messages,
            adapter=card.adapter,
            sampling=sampling.model_copy(update={"max_tokens": reserved.completion_tokens}),
            deadline=self.meter.deadline,
        )
        # A call that was sent is paid for: it is finished and recorded even if its step is
        # cancelled.
        asked = _Asked(card, origin, key, request, dict(params), bound, reserved)
        task = asyncio.create_task(self._send(asked))
        self._under_way[key] = task
        task.add_done_callback(lambda sent: self._ended(key, sent))
        return await asyncio.shield(task)

    def _ended(self, key: str, sent: asyncio.Task[Call]) -> None:
        del self._under_way[key]
        if not sent.cancelled():
            # Waiting callers get the error; there may be none, as after a cancelled step.
            sent.exception()

    def stop(self) -> None:
        """Refuse further calls at once, and give up calls under way that do not answer soon."""
        if self._stopping:
            return
        self._stopping = True
        self.meter.close(Interrupted("stopped on request"))
        asyncio.get_running_loop().call_later(GRACE_S, self._give_up)

    async def drain(self) -> None:
        """Refuse further calls, and wait until every call that was sent is recorded."""
        self.meter.close(Interrupted("the run has ended"))
        while self._under_way:
            await asyncio.wait(self._under_way.values())

    def _give_up(self) -> None:
        for task in self._under_way.values():
            task.cancel()

    def _held(self, key: str) -> asyncio.Future[Call] | None:
        """A call that is recorded or already on its way."""
        if key in self._recorded and (found := self.ledger.find(key)) is not None:
            self.on_call(found, True)
            known: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
            known.set_result(found)
            return known
        task = self._under_way.get(key)
        return None if task is None else asyncio.shield(task)

    def _fitting(self, sampling: Sampling, messages: tuple[Message, ...]) -> Sampling:
        """``sampling`` with ``max_tokens`` cut to what the prompt leaves of the context.

        A prompt that fills the context is sent unchanged, so that the backend refuses it.
        """
        context = self.backend.context_tokens
        if context is None:
            return sampling
        size = sum(self.backend.count_tokens(m.content) for m in messages)
        left = context - size - TEMPLATE_TOKENS * (len(messages) + 1)
        if not 0 < left < sampling.max_tokens:
            return sampling
        return sampling.model_copy(update={"max_tokens": left})

    async def _send(self, asked: _Asked) -> Call:
        began = time.monotonic()
        try:
            async with self.meter.within(SLACK_S):
                (response,) = await self.backend.generate([asked.request])
        except (BackendTimeout, BudgetExceeded) as error:
            spent = error.spent if isinstance(error, BackendTimeout) else None
            await self._lost(asked, began, spent)
            if self.meter.deadline is None:
                raise
            limit = self.meter.seconds_spent()
            # The backend gave up before the deadline, and its error says why.
            if time.monotonic() < self.meter.deadline:
                limit = f"{limit}, too few: {error}"
            raise BudgetExceeded(limit) from error
        except asyncio.CancelledError:
            await self._lost(asked, began)
            if self._stopping:
                raise Interrupted("stopped on request") from None
            raise
        except (BadAnswer, Unanswered) as error:
            if isinstance(error, RequestRefused):  # Nothing was generated.
                self.meter.settle(asked.reserved, None)
            else:
                await self._lost(asked, began)
            raise
        except BaseException:
            self.meter.settle(asked.reserved, None)
            raise
        try:
            call = await self._answered(asked, response)
        finally:  # An answer is paid for, whether it could be recorded or not.
            self.meter.settle(asked.reserved, _usage(response, self.meter))
        self.on_call(call, False)
        return call

    async def _answered(self, asked: _Asked, response: GenerateResponse) -> Call:
        """Record an answer. Raises AdapterError for an answer of another adapter, and
        StoreError."""
        usage, price = response.usage, self.meter.price
        found = response.adapter == asked.card.adapter
        call = await self._record(
            asked.record(
                self.run_id, response.remarks,
                key=asked.key if found else _other(asked.key), model=response.model,
                response=response.text, prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens, latency_s=response.latency_s,
                cost=price.of(usage.prompt_tokens, usage.completion_tokens),
                finish_reason=response.finish_reason if found else LOST,
            )
        )  # fmt: skip
        if not found:
            raise AdapterError(
                f"asked for adapter {asked.card.adapter} of {asked.card.name}, "
                f"{response.adapter or 'the base model'} answered"
            )
        self._recorded.add(asked.key)
        self._template = max(self._template, usage.prompt_tokens - asked.bound)
        return call

    async def _lost(
        self, asked: _Asked, began: float, spent: tuple[int, int] | None = None
    ) -> None:
        """Record a call that was sent and got no answer. Where ``spent``, (prompt, completion)
        tokens, is unknown, the call counts as the most that it can have cost."""
        prompt, completion = spent or (
            asked.reserved.prompt_tokens, asked.reserved.completion_tokens,
        )  # fmt: skip
        most = Usage(
            calls=1, prompt_tokens=prompt, completion_tokens=completion,
            seconds=time.monotonic() - began, cost=self.meter.price.of(prompt, completion),
        )  # fmt: skip
        try:
            await self._record(
                asked.record(
                    self.run_id, key=_other(asked.key), model=self.backend.model_id, response="",
                    prompt_tokens=most.prompt_tokens, completion_tokens=most.completion_tokens,
                    latency_s=most.seconds, cost=most.cost, finish_reason=LOST,
                )
            )  # fmt: skip
        finally:
            self.meter.settle(asked.reserved, most)


def _other(key: str) -> str:
    """A key that no call asks for: a record under it never answers a call."""
    return f"{key}-{secrets.token_hex(4)}"


def _usage(response: GenerateResponse, meter: Meter) -> Usage:
    usage = response.usage
    return Usage(
        calls=1, prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens,
        seconds=response.latency_s,
        cost=meter.price.of(usage.prompt_tokens, usage.completion_tokens),
    )  # fmt: skip
