"""Whole runs for the tests of memory: the pocket fleet's oracle, and a chat model with a script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from eval import Problem
from harness import engine, routing, wiring
from harness.report import RunOptions, RunReport
from harness.wiring import PROMPT_FLEET
from specialists.backends.base import GenerateRequest
from specialists.registry import Card
from state import Bead, BeadStore, database_url
from tests.oracle import CARDS, OracleBackend, by_form
from tests.state.words import WordEmbedding
from tiers.memory import MemoryPolicy
from tiers.protocol import Check

CHAT = list(PROMPT_FLEET)
PLAN = (
    '{"steps": [{"name": "a", "objective": "Count the apples in the garden."}, '
    '{"name": "b", "objective": "Double the apples.", "inputs": ["a"]}], "answer": "b"}'
)


class Lab:
    """Runs problems one after the other on one store, as one user would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch
        monkeypatch.setattr(routing, "open_router", by_form)
        monkeypatch.setattr(wiring, "open_embedding", lambda embedder: WordEmbedding())

    def run(
        self,
        problem: Problem,
        backend: OracleBackend,
        cards: Sequence[Card] = CARDS,
        *,
        memory: MemoryPolicy | None = None,
        **options: Any,
    ) -> RunReport:
        self.use(backend, cards)
        backend.calls.clear()
        wanted = RunOptions(memory=memory or MemoryPolicy(), **options)
        return asyncio.run(engine.start(problem, wanted, lambda event: None, stop=asyncio.Event()))

    def use(
        self,
        backend: OracleBackend,
        cards: Sequence[Card],
        opened: list[RunOptions] | None = None,
    ) -> None:
        """Make further runs use this backend; ``opened`` receives their options."""

        async def open_backend(asked: RunOptions) -> Any:
            if opened is not None:
                opened.append(asked)
            return backend, list(cards)

        self.patch.setattr(wiring, "open_backend", open_backend)

    def beads(self, **filters: Any) -> list[Bead]:
        store = BeadStore.open(database_url())
        found = store.query(**{"order": "created", **filters})
        store.close_database()
        return found

    def decisions(self, report: RunReport) -> list[Bead]:
        return self.beads(run_id=report.run_id, kind="decision", tier="monitor")


def chat(script: Callable[[str, GenerateRequest], str]) -> OracleBackend:
    """A chat model that answers by ``script(last message, request)``."""
    return OracleBackend(fault=lambda request, _: script(request.messages[-1].content, request))


def planner(prompt: str, request: GenerateRequest) -> str:
    """Plans by :data:`PLAN`, counts 17 apples, doubles them."""
    if prompt.startswith("Split the problem"):
        return PLAN
    return "34" if "Task: Double" in prompt else "17"


def garden(*, checks: tuple[Check, ...] = (), name: str = "garden") -> Problem:
    statement = "Find twice the number of apples in the garden behind the house."
    return Problem(id=name, kind="text", statement=statement, public_checks=checks)


def prompts(backend: OracleBackend) -> list[str]:
    """All that was said to the model, a text for each call."""
    return ["\n".join(m.content for m in request.messages) for request in backend.calls]
