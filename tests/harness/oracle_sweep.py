"""``harness`` with the oracle in place of a model, as its own process, to be stopped by signals.

``ORACLE_DELAY`` is the duration of a call in seconds. Each call is reported on standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from harness import routing, wiring
from harness.cli import main
from harness.report import RunOptions
from specialists.backends.base import GenerateRequest, GenerateResponse
from tests.oracle import CARDS, OracleBackend, by_form, horizon_story
from tests.state.words import WordEmbedding


class Endpoint(OracleBackend):
    """The oracle for ``horizon/8-1`` to ``horizon/8-6``, behind an endpoint that may fail."""

    def __init__(self, fails: Callable[[int], Exception | None], delay: float = 0.0) -> None:
        """``fails`` says what the call of a number (from 1) raises, if anything."""
        super().__init__([horizon_story(8, number) for number in range(1, 7)], delay=delay)
        self.fails = fails
        self.asked = 0

    async def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResponse]:
        self.asked += 1
        error = self.fails(self.asked)
        found = await super().generate(requests)
        if error is not None:
            raise error
        return found


def run(words: Sequence[str]) -> int:
    """Carry out a command line."""

    def tell(number: int) -> None:
        print(f"call {number}", file=sys.stderr, flush=True)

    backend = Endpoint(tell, float(os.environ.get("ORACLE_DELAY", "0")))

    async def open_backend(options: RunOptions) -> Any:
        return backend, CARDS

    wiring.open_backend = open_backend  # type: ignore[assignment]
    routing.open_router = by_form
    wiring.open_embedding = lambda embedder: WordEmbedding()
    return main(words)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
