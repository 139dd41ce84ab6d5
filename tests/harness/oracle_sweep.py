"""``harness`` with the oracle in place of a model, as its own process, to be stopped by signals.

``ORACLE_DELAY`` is how long a call takes, ``ORACLE_DOWN_AFTER`` how many calls the endpoint answers
before it is down, ``ORACLE_ODD`` the number of a call that it answers with nothing usable.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from harness import routing, wiring
from harness.cli import main
from harness.report import RunOptions
from specialists.backends.base import GenerateRequest, GenerateResponse
from state.errors import BackendUnavailable, BadAnswer
from tests.oracle import CARDS, OracleBackend, by_form, horizon_story
from tests.state.words import WordEmbedding


class Endpoint(OracleBackend):
    """The oracle, behind an endpoint that may fail."""

    asked = 0

    async def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResponse]:
        self.asked += 1
        number = self.asked
        if number == int(os.environ.get("ORACLE_ODD", "0")):
            raise BadAnswer("http://oracle: an answer without choices")
        found = await super().generate(requests)
        if number > int(os.environ.get("ORACLE_DOWN_AFTER", "1000000")):
            raise BackendUnavailable("http://oracle cannot be reached: connection refused")
        return found


def run(words: Sequence[str]) -> int:
    """Carry out a command line; the stories are ``horizon/8-1`` to ``horizon/8-6``."""
    stories = [horizon_story(8, number) for number in range(1, 7)]
    backend = Endpoint(stories, delay=float(os.environ.get("ORACLE_DELAY", "0")))

    async def open_backend(options: RunOptions) -> Any:
        return backend, CARDS

    wiring.open_backend = open_backend  # type: ignore[assignment]
    routing.open_router = by_form
    wiring.open_embedding = lambda embedder: WordEmbedding()
    return main(words)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
