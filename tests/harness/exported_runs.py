"""Runs to export: stories by the oracle with some wrong first answers, and a chat model's repair."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from eval import Problem, get
from harness import engine
from harness.report import RunOptions, RunReport
from harness.wiring import PROMPT_FLEET
from specialists.backends.base import GenerateRequest
from state import Call
from tests.harness.memory_runs import chat
from tests.oracle import CARDS, OracleBackend, horizon_story
from tiers.protocol import Check

STORIES = tuple(range(1, 9))
WRONG = "= 4321"


def solve(
    problem: Problem, backend: OracleBackend, cards: Any = CARDS, **options: Any
) -> RunReport:
    """A run in the home of the test."""
    work = engine.start(
        problem, RunOptions(**options), lambda e: None, stop=asyncio.Event(), fleet=(backend, cards)
    )
    return asyncio.run(work)


def stories() -> list[RunReport]:
    """Planned stories; in each, the first greedy answer to one operation is wrong."""
    reports = []
    for number in STORIES:
        spoiled: set[str] = set()

        def fault(request: GenerateRequest, text: str, spoiled: set[str] = spoiled) -> str:
            prompt = request.messages[-1].content
            if request.sampling.temperature == 0 and not spoiled and prompt[0].isdigit():
                spoiled.add(prompt)
                return WRONG
            return text

        backend = OracleBackend([horizon_story(4, number)], fault)
        reports.append(solve(get("horizon", f"4-{number}"), backend, strategy="plan"))
    return reports


def garden(
    *, name: str = "garden/1", hidden: tuple[Check, ...] = (), statement: str = ""
) -> tuple[Problem, RunReport]:
    """A question that a chat model gets right after it has read the failing public check."""
    problem = Problem(
        id=name, kind="text",
        statement=statement or "Find twice the number of apples in the garden behind the house.",
        public_checks=(Check(kind="exact", spec={"expected": "34"}),), hidden_checks=hidden,
    )  # fmt: skip
    backend = chat(lambda prompt, _: "34" if "That is not right" in prompt else "thirty")
    return problem, solve(problem, backend, list(PROMPT_FLEET))


def leak(call: Call, text: str, place: str) -> None:
    """Spoil a recorded call as no run would: ``text`` in its prompt or its response."""
    from state import BeadStore, database_url

    store = BeadStore.open(database_url())
    with store.database.writing() as tx:
        prompt = [*call.prompt]
        response = call.response
        if place == "prompt":
            prompt[-1] = {**prompt[-1], "content": f"{prompt[-1]['content']}\n{text}"}
        else:
            response = f"{response}\n{text}"
        tx.run(
            'UPDATE "call" SET prompt = %(prompt)s, response = %(response)s WHERE "key" = %(key)s',
            {"prompt": json.dumps(prompt), "response": response, "key": call.key},
        )
    store.close_database()


def rows(file: str | Path) -> list[dict[str, Any]]:
    """The rows of a file."""
    return [json.loads(line) for line in Path(file).read_text("utf-8").splitlines()]
