"""Faults put into a fleet on purpose: one known cause, so that what finds causes can be measured."""

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
"""(prompt, right answer) → what the model is made to say."""


@dataclass(frozen=True)
class Fault:
    """One kind of mistake, and the runs in which it shows."""

    suite: str
    strategy: str
    spoils: str
    """Pattern of the prompts whose answers it spoils."""
    spoil: Spoil
    budget: Budget = field(default_factory=Budget)


def says(text: str) -> Spoil:
    """Whatever the model is asked, ``text`` is its answer."""
    return lambda prompt, right: text


def faults() -> dict[str, Fault]:
    """Kind → fault, as the domains announce them. Each run of one has that cause of failure and no
    other."""
    from eval.domains.evaluations import evaluations

    return {kind: fault for each in evaluations() for kind, fault in each.faults.items()}


class FaultyBackend:
    """A backend whose answers to some prompts are spoilt; all else passes through."""

    name = "faulty"
    context_tokens: int | None = None

    def __init__(self, inner: Backend, fault: Fault) -> None:
        self._inner, self._fault = inner, fault
        self._pattern = re.compile(fault.spoils)

    @property
    def model_id(self) -> str:
        """Identity of the base underneath."""
        return self._inner.model_id

    async def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResponse]:
        """The inner backend's answers, spoilt where the fault says so."""
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
        """Like the inner backend's."""
        return await self._inner.score(pairs, adapters)

    def count_tokens(self, text: str) -> int:
        """Like the inner backend's."""
        return self._inner.count_tokens(text)

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        """Like the inner backend's."""
        return self._inner.prompt_tokens(messages)

    def adapters(self) -> dict[str, AdapterRef]:
        """Like the inner backend's."""
        return self._inner.adapters()

    async def load(self, adapter: AdapterRef) -> None:
        """Like the inner backend's."""
        await self._inner.load(adapter)

    async def unload(self, digest: str) -> None:
        """Like the inner backend's."""
        await self._inner.unload(digest)

    async def close(self) -> None:
        """Like the inner backend's."""
        await self._inner.close()
