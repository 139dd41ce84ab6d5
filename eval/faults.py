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
from specialists.pocket.arithmetic import read_result
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


_MATH, _PLAN, _EXPLAIN = r"^\d+ [-+*/] \d+$", "^Write the steps", "^Explain these steps"
_CODE = r"(?s)^(?!Solve|Write the steps|Explain|\d+ [-+*/] \d+$)"


def _name(prompt: str) -> str:
    """The function that a prompt asks for."""
    found = re.search(r"\b([a-z_]\w*)\(", prompt)
    return found[1] if found else "solve"


def _function(body: str) -> Spoil:
    return lambda prompt, right: f"def {_name(prompt)}(*args):\n    {body}\n"


def _says(text: str) -> Spoil:
    return lambda prompt, right: text


FAULTS: dict[str, Fault] = {
    "arithmetic off by one": Fault(
        "horizon/4", "plan", _MATH, lambda prompt, right: f"= {(read_result(right) or 0) + 1}"
    ),
    "arithmetic without result": Fault("horizon/4", "plan", _MATH, _says("that I cannot say")),
    "plan garbled": Fault("horizon/4", "plan", _PLAN, _says("the steps are many and various")),
    "plan with wrong numbers": Fault(
        "horizon/4", "plan", _PLAN, lambda prompt, right: re.sub(r"\b\d+\b", "3", right)
    ),
    "explanation empty-handed": Fault("multistage", "plan", _EXPLAIN, _says("It follows.")),
    "code that does not parse": Fault("pocket-code", "auto", _CODE, _says("def f(x:\n  return")),
    "code that divides by zero": Fault("pocket-code", "auto", _CODE, _function("return 1 / 0")),
    "code under another name": Fault(
        "pocket-code", "auto", _CODE, _says("def helper(x):\n    return x\n")
    ),
    "code with a wrong value": Fault("pocket-code", "auto", _CODE, _function("return 'wrong'")),
    "code that never ends its recursion": Fault(
        "pocket-code", "auto", _CODE,
        lambda prompt, right: f"def {_name(prompt)}(x):\n    return {_name(prompt)}(x)\n",
    ),
    "code with an unknown name": Fault(
        "pocket-code", "auto", _CODE, _function("return undefined_total")
    ),
    "code that leaves the program": Fault(
        "pocket-code", "auto", _CODE, _function("raise SystemExit(3)")
    ),
    "budget too small": Fault("horizon/4", "plan", "^$", _says(""), Budget(calls=3)),
}  # fmt: skip
"""Kind → fault. Each run of one has that cause of failure and no other."""


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
