"""A run with the oracle as its own process, to be killed: ``PROBLEM`` or ``resume RUN``."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from eval import get
from harness import engine, routing, wiring
from harness.report import RunOptions
from tests.oracle import CARDS, OracleBackend, by_form, horizon_story
from tests.state.words import WordEmbedding


def main() -> None:
    words = sys.argv[1:]
    backend = OracleBackend([horizon_story(16, 3)], delay=0.01)

    async def open_backend(options: RunOptions) -> Any:
        return backend, CARDS

    wiring.open_backend = open_backend  # type: ignore[assignment]
    routing.open_router = by_form
    wiring.open_embedding = lambda embedder: WordEmbedding()
    stop = asyncio.Event
    if words[0] == "resume":
        report = asyncio.run(engine.resume(words[1], lambda e: None, stop=stop()))
    else:
        problem = get(*words[0].split("/"))
        report = asyncio.run(engine.start(problem, RunOptions(), lambda e: None, stop=stop()))
    print(report.model_dump_json())


if __name__ == "__main__":
    main()
