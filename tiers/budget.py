"""The budget of a run: the most that a call can spend is reserved before the call is sent.

Any number of calls may therefore be under way while their sum stays within the limits. The real
cost of a call is settled afterwards. A limit can only be exceeded by an endpoint that spends more
than it was asked to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass

from state import Usage
from state.errors import BudgetExceeded, HarnessError
from tiers.protocol import Budget

ROUNDING = 1e-12
"""Tolerance in dollars when sums of floats are compared."""


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens."""

    prompt: float = 0.0
    completion: float = 0.0

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Dollars that these tokens cost."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


@dataclass(frozen=True, eq=False)
class Reserved:
    """The most that one call may spend; compared by identity, so two calls never share one."""

    prompt_tokens: int
    completion_tokens: int
    cost: float


class Meter:
    """What a run has spent and reserved, compared with what it may spend.

    ``spent`` is the ledger's total at the start; ``seconds_before`` are the working seconds of
    earlier processes on the same run. Belongs to one event loop.
    """

    def __init__(
        self,
        budget: Budget,
        spent: Usage,
        *,
        price: Price | None = None,
        seconds_before: float = 0.0,
    ) -> None:
        self.budget, self.spent, self.price = budget, spent, price or Price()
        self._began = time.monotonic() - seconds_before
        self._reserved: set[Reserved] = set()
        self._settled = asyncio.Event()
        self._closed: HarnessError | None = None

    @property
    def deadline(self) -> float | None:
        """When the limit of seconds is reached, on the clock of ``time.monotonic()``; ``None``
        without a limit."""
        limit = self.budget.seconds
        return None if limit is None else self._began + limit

    @property
    def weighs_tokens(self) -> bool:
        """Whether a limit depends on how long a call's prompt and answer are."""
        return self.budget.tokens is not None or self.budget.cost is not None

    def exhausted(self) -> str | None:
        """The limit that is spent, in words; ``None`` while no limit is spent."""
        spent, limit = self.spent, self.budget
        if limit.calls is not None and spent.calls >= limit.calls:
            return f"{spent.calls} of {limit.calls} calls"
        if limit.tokens is not None and spent.tokens >= limit.tokens:
            return f"{spent.tokens} of {limit.tokens} tokens"
        if limit.cost is not None and spent.cost >= limit.cost:
            return f"${spent.cost:.4f} of ${limit.cost:.4f}"
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return self.seconds_spent()
        return None

    def seconds_spent(self) -> str:
        """The limit of seconds, in words."""
        return f"{time.monotonic() - self._began:.1f} of {self.budget.seconds or 0:g} seconds"

    async def reserve(self, prompt_tokens: int, most: int) -> Reserved:
        """Reserve a prompt and up to ``most`` tokens of answer, at least one.

        Where the limits do not cover this beside the calls under way, the method waits until those
        are settled; where the limits still do not cover it, the answer is cut to what they cover.
        Raises BudgetExceeded where they do not cover one token of answer, and at the deadline.
        """
        while True:
            reserved = self._try(prompt_tokens, most)
            if reserved is not None:
                return reserved
            settled = self._settled
            async with self.within():
                await settled.wait()

    def settle(self, reserved: Reserved, usage: Usage | None) -> None:
        """Replace a reservation by what was spent; ``None`` for a call that cost nothing.

        Settling a reservation again changes nothing.
        """
        if reserved not in self._reserved:
            return
        self._reserved.remove(reserved)
        if usage is not None:
            before = self.spent
            self.spent = Usage(
                calls=before.calls + usage.calls,
                prompt_tokens=before.prompt_tokens + usage.prompt_tokens,
                completion_tokens=before.completion_tokens + usage.completion_tokens,
                seconds=before.seconds + usage.seconds,
                cost=before.cost + usage.cost,
            )
        self._wake()

    def close(self, error: HarnessError) -> None:
        """Refuse all further calls with ``error``, including those that are waiting."""
        self._closed = error
        self._wake()

    @asynccontextmanager
    async def within(self, slack: float = 0.0) -> AsyncIterator[None]:
        """Cancel the awaited work inside at the deadline, and raise BudgetExceeded then.

        ``slack`` adds seconds for work that keeps the deadline itself and can give a better reason.
        """
        if self.deadline is None:
            yield
            return
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise BudgetExceeded(self.seconds_spent())
        try:
            async with asyncio.timeout(left + slack) as limit:
                yield
        except TimeoutError:
            if limit.expired():
                raise BudgetExceeded(self.seconds_spent()) from None
            raise

    def _wake(self) -> None:
        self._settled.set()
        self._settled = asyncio.Event()

    def _try(self, prompt_tokens: int, most: int) -> Reserved | None:
        """A reservation, or ``None`` where calls under way have to be settled first."""
        if self._closed is not None:
            raise copy(self._closed)
        if (spent := self.exhausted()) is not None:
            raise BudgetExceeded(spent)
        calls, tokens, cost = self.budget.calls, self.budget.tokens, self.budget.cost
        held = self._reserved
        answer = most
        if tokens is not None:
            if self.spent.tokens + prompt_tokens + 1 > tokens:
                raise BudgetExceeded(
                    f"{self.spent.tokens} of {tokens} tokens, and the next prompt may have "
                    f"{prompt_tokens}"
                )
            aside = sum(r.prompt_tokens + r.completion_tokens for r in held)
            answer = min(answer, tokens - self.spent.tokens - aside - prompt_tokens)
        if cost is not None:
            least = self.price.of(prompt_tokens, 1)
            if self.spent.cost + least > cost + ROUNDING:
                raise BudgetExceeded(
                    f"${self.spent.cost:.4f} of ${cost:.4f}, and the next call costs ${least:.4f} "
                    "or more"
                )
            left = cost - self.spent.cost - sum(r.cost for r in held)
            answer = min(answer, self._affordable(left, prompt_tokens, most))
        free = calls is None or self.spent.calls + len(held) < calls
        if held and (answer < most or not free):
            return None
        answer = max(1, answer)
        reserved = Reserved(prompt_tokens, answer, self.price.of(prompt_tokens, answer))
        self._reserved.add(reserved)
        return reserved

    def _affordable(self, dollars: float, prompt_tokens: int, most: int) -> int:
        """Tokens of answer, up to ``most``, that ``dollars`` pay for after the prompt."""
        if self.price.of(prompt_tokens, most) <= dollars + ROUNDING:
            return most
        left = dollars - self.price.of(prompt_tokens, 0)
        return int((left + ROUNDING) * 1e6 / self.price.completion) if self.price.completion else 0
