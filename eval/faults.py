"""Faults with a known cause that are put into a fleet, to measure methods that find causes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from specialists.backends.base import (
    AdapterRef,
    Backend,
    GenerateRequest,
    GenerateResponse,
    Message,
    ScoredText,
)
from tiers.protocol import Budget

Spoil = Callable[[str, str], str]
"""(prompt, right answer) → the wrong answer."""


@dataclass(frozen=True)
class Fault:
    """One kind of mistake, and the runs in which it occurs."""

    suite: str
    strategy: str
    spoils: str
    """Pattern of the prompts whose answers are made wrong."""
    spoil: Spoil
    budget: Budget = field(default_factory=Budget)


def says(text: str) -> Spoil:
    """A function that returns ``text`` for every prompt."""
    return lambda prompt, right: text


def faults() -> dict[str, Fault]:
    """Kind → fault, as the domains announce them. In each run with a fault, it is the only cause of
    failure."""
    from eval.domains.evaluations import evaluations

    return {kind: fault for each in evaluations() for kind, fault in each.faults.items()}


class FaultyBackend:
    """A backend that makes the answers to some prompts wrong; everything else passes through."""

    name = "faulty"
    context_tokens: int | None = None

    def __init__(self, inner: Backend, fault: Fault) -> None:
        self._inner, self._fault = inner, fault
        self._pattern = re.compile(fault.spoils)

    @property
    def model_id(self) -> str:
        """Identity of the inner backend's base model."""
        return self._inner.model_id

    async def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResponse]:
        """The inner backend's answers, made wrong for the prompts of the fault."""
        answers = await self._inner.generate(requests)
        return [
            a.model_copy(update={"text": self._fault.spoil(prompt, a.text)})
            if self._pattern.search(prompt := r.messages[-1].content)
            else a
            for r, a in zip(requests, answers, strict=True)
        ]

    async def score(
        self, pairs: Sequence[tuple[Sequence[Message], str]], adapters: Sequence[str | None]
    ) -> list[list[ScoredText]]:
        """Delegates to the inner backend."""
        return await self._inner.score(pairs, adapters)

    def count_tokens(self, text: str) -> int:
        """Delegates to the inner backend."""
        return self._inner.count_tokens(text)

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        """Delegates to the inner backend."""
        return self._inner.prompt_tokens(messages)

    def adapters(self) -> dict[str, AdapterRef]:
        """Delegates to the inner backend."""
        return self._inner.adapters()

    async def load(self, adapter: AdapterRef) -> None:
        """Delegates to the inner backend."""
        await self._inner.load(adapter)

    async def unload(self, digest: str) -> None:
        """Delegates to the inner backend."""
        await self._inner.unload(digest)

    async def close(self) -> None:
        """Delegates to the inner backend."""
        await self._inner.close()
