"""Injected faults: each kind exists, and appears in the failures in which it should."""

from __future__ import annotations

import asyncio
import re

import pytest

from eval.faults import FaultyBackend, faults
from specialists.backends.base import GenerateRequest, Message
from tests.oracle import OracleBackend, horizon_story

PROMPTS = {
    "horizon/4": "3 + 4",
    "multistage": "Explain these steps.\n#1 x",
    "pocket-code": "Write f(xs) for a list of numbers: return the sum.",
}


def test_there_are_enough_kinds() -> None:
    assert len(faults()) >= 8
    assert all(fault.suite in PROMPTS for fault in faults().values())


@pytest.mark.parametrize("name", [n for n, f in faults().items() if f.suite == "pocket-code"])
def test_code_faults_spoil_code_and_nothing_else(name: str) -> None:
    fault = faults()[name]
    assert re.search(fault.spoils, PROMPTS["pocket-code"])
    for other in ("3 + 4", "Explain these steps.\n", "Write the steps.\n1 x", "Solve the story.\n"):
        assert not re.search(fault.spoils, other)


def test_answers_are_spoilt_on_the_way_out() -> None:
    backend = FaultyBackend(OracleBackend([horizon_story(4, 1)]), faults()["arithmetic off by one"])
    requests = [
        GenerateRequest(messages=(Message(role="user", content=text),))
        for text in ("3 + 4", "Write the steps.\n1 " + horizon_story(4, 1).sentences[0])
    ]
    sums, steps = asyncio.run(backend.generate(requests))
    assert sums.text == "= 8"
    assert steps.text.startswith("#1")
    assert backend.model_id == "oracle"
