"""A backend without a model: answers the pocket fleet's prompts from the generators, with faults.

It stands in for trained weights where a test is about the tiers, not about the model.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from specialists.backends.base import (
    AdapterRef,
    GenerateRequest,
    GenerateResponse,
    Message,
    ScoredText,
    Usage,
)
from specialists.pocket import arithmetic, domains, explain
from specialists.pocket.stories import Story, draw_story, step_lines
from specialists.registry import Card
from specialists.routing import Decision, PlainRouter, Router

NAMES = ("math", "decompose", "code", "explain", "split", "chain", "generalist")
CARDS = [
    Card(
        name=n, domain=n, description=n, adapter=f"{k:016x}", base="b" * 16, max_tokens=400,
        status="control" if n == "generalist" else "promoted",
    )
    for k, n in enumerate(NAMES, 1)
]  # fmt: skip


def horizon_story(events: int, number: int) -> Story:
    """The story behind ``horizon/events-number``."""
    return draw_story(random.Random(f"horizon|{events}|{number}"), events, test=True)


def multistage_story(number: int) -> Story:
    """The story behind ``multistage/number``."""
    rng = random.Random(f"multistage|{number}")
    events = rng.randint(3, 6)
    return draw_story(rng, events, test=True, people=rng.randint(1, 3))


class OracleBackend:
    """Knows the answers for the stories it is given; ``fault`` may spoil any answer."""

    name = "oracle"
    context_tokens: int | None = None
    model_id = "oracle"

    def __init__(
        self,
        stories: Sequence[Story] = (),
        fault: Callable[[GenerateRequest, str], str] | None = None,
        log: Path | None = None,
        delay: float = 0.0,
    ) -> None:
        self.sentences = {e.sentence: e for s in stories for e in s.events}
        self.questions = {s.question: s for s in stories}
        self.stories = {s.text: s for s in stories}
        self.fault = fault
        self.log, self.delay = log, delay
        self.calls: list[GenerateRequest] = []

    async def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResponse]:
        if self.delay:
            await asyncio.sleep(self.delay)
        return [self._one(r) for r in requests]

    def _one(self, request: GenerateRequest) -> GenerateResponse:
        self.calls.append(request)
        prompt = request.messages[-1].content
        text = self._answer(prompt)
        if self.fault:
            text = self.fault(request, text)
        if self.log:
            with self.log.open("a") as out:
                out.write(f"{request.adapter}|{request.sampling.seed}|{hash(prompt)}\n")
        usage = Usage(prompt_tokens=len(prompt.split()), completion_tokens=len(text.split()))
        return GenerateResponse(
            text=text, finish_reason="stop", usage=usage, adapter=request.adapter, model="oracle",
            latency_s=0.001,
        )  # fmt: skip

    def _answer(self, prompt: str) -> str:
        if operation := arithmetic.parse(prompt):
            a, op, b = operation
            try:
                return arithmetic.work(op, a, b)
            except ValueError:
                return "= 0"
        head, _, body = prompt.partition("\n")
        parts = [row.partition(" ")[2] for row in body.splitlines()]
        if head == "Write the steps.":
            return self._decompose(parts)
        if head == "Explain these steps.":
            return self._explain()
        told = {"Solve the story.": domains.worked_story,
                "Write solve() for the story.": domains.story_program}  # fmt: skip
        return told[head](self.stories[" ".join(parts)]) if head in told else "no idea"

    def _decompose(self, parts: Sequence[str]) -> str:
        return step_lines(
            (p, (self.questions[p].ask,) if p in self.questions else self.sentences[p].steps)
            for p in parts
        )

    def _explain(self) -> str:
        (story,) = self.stories.values()
        return explain.explanation(story.values, story.answer)

    async def score(
        self, pairs: Sequence[tuple[Sequence[Message], str]], adapters: Sequence[str | None]
    ) -> list[list[ScoredText]]:
        raise NotImplementedError

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        return len(messages[-1].content.split())

    def adapters(self) -> dict[str, AdapterRef]:
        return {}

    async def load(self, adapter: AdapterRef) -> None: ...

    async def unload(self, digest: str) -> None: ...

    async def close(self) -> None: ...


class ByForm:
    """A scorer that reads the form of a task; the embedding model is tested elsewhere."""

    async def score(self, tasks: Sequence[str], cards: Sequence[Card]) -> np.ndarray:
        wanted = [self._domain(t) for t in tasks]
        return np.array(
            [[float(c.domain == w) + 0.01 * k for k, c in enumerate(cards)] for w in wanted]
        )

    @staticmethod
    def _domain(task: str) -> str:
        if arithmetic.parse(task):
            return "math"
        if task.startswith("Explain"):
            return "explain"
        return "chain" if task.startswith("Solve the story") else "code"


class Best:
    """Winner takes all."""

    temperature = 0.1

    def choose(self, scores: np.ndarray, cards: Sequence[Card], key: str = "") -> Decision:
        best = int(np.argmax(scores))
        names = {c.name: float(v) for c, v in zip(cards, scores, strict=True)}
        return Decision(specialist=cards[best].name, scores=names, confidence=1.0)


def by_form(*surroundings: object) -> Router:
    """Stands in for ``harness.routing.open_router``."""
    return PlainRouter(ByForm(), Best())
