"""Harness overhead per superstep against bare LangGraph with the same saver.

    python -m tests.benchmarks.overhead --events 64

The model is the oracle, whose time is taken off, and routing reads forms, so that what is left is
ours: tiers, store, ledger, graph. The reference walks as many supersteps through trivial nodes, with
as many ``Send`` in each wave, the same checkpointer and durability, in the same process. Each time
is divided by the supersteps that were taken: a run of ours plans and reports besides.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypedDict

from eval import get
from harness import engine, routing, wiring
from harness.report import Event, RunOptions
from specialists.backends.base import GenerateRequest, GenerateResponse
from state import checkpoint_path
from tests.oracle import CARDS, OracleBackend, by_form, horizon_story
from tests.state.words import WordEmbedding


class Timed(OracleBackend):
    """Adds up the time in which it answers: the model's, not the harness's."""

    seconds = 0.0

    async def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResponse]:
        begun = time.perf_counter()
        answers = await super().generate(requests)
        self.seconds += time.perf_counter() - begun
        return answers


def supersteps(file: Path) -> int:
    """How many a run took: each leaves a checkpoint, and the input leaves one more."""
    with sqlite3.connect(file) as connection:
        return int(connection.execute("SELECT count(*) FROM checkpoints").fetchone()[0]) - 1


class Small(TypedDict, total=False):
    """The reference's state: as small as ours."""

    run_id: str
    wave: int
    reason: str


async def bare(sends: list[int], file: Path) -> float:
    """Seconds of bare LangGraph, decide → dispatch ⇉ work → decide; ``sends`` orders in each wave."""
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import Command, Send

    begun = time.perf_counter()  # Ours, too, opens the saver and compiles the graph.

    async def decide(state: Small) -> Command[Any]:
        wave = state.get("wave", 0)
        return Command(goto="dispatch" if wave < len(sends) else END, update={"wave": wave + 1})

    async def dispatch(state: Small) -> Command[Any]:
        count = sends[state["wave"] - 1]
        return Command(
            goto=[Send("work", {"run_id": "x", "delegation": str(k)}) for k in range(count)]
        )

    async def work(order: Any) -> dict[str, Any]:
        return {}

    graph = StateGraph(Small)
    graph.add_node("decide", decide, destinations=("dispatch", END))
    graph.add_node("dispatch", dispatch, destinations=("work",))
    graph.add_node("work", work)
    graph.add_edge(START, "decide")
    graph.add_edge("work", "decide")
    async with AsyncSqliteSaver.from_conn_string(str(file)) as saver:
        compiled = graph.compile(checkpointer=saver)
        config = {"configurable": {"thread_id": "x"}, "recursion_limit": 10_000}
        await compiled.ainvoke({"run_id": "x"}, config, durability="sync")  # type: ignore[arg-type]
        return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=64)
    parser.add_argument("--number", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=6)
    args = parser.parse_args()
    story = horizon_story(args.events, args.number)
    problem = get("horizon", f"{args.events}-{args.number}")
    rows = []
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["HARNESS_HOME"] = folder
            backend = Timed([story])

            async def open_backend(options: RunOptions, found: Timed = backend) -> Any:
                return found, CARDS

            wiring.open_backend = open_backend  # type: ignore[assignment]
            routing.open_router = by_form
            wiring.open_embedding = lambda embedder: WordEmbedding()
            waves: list[int] = []
            began = [0.0]

            def watch(event: Event, waves: list[int] = waves, began: list[float] = began) -> None:
                if event.kind == "monitor":
                    waves.append(0)
                elif event.kind == "dispatch":
                    waves[-1] += 1
                if event.kind == "start":
                    began[0] = time.perf_counter()

            async def run(
                folder: str = folder,
                began: list[float] = began,
                waves: list[int] = waves,
                backend: Timed = backend,
            ) -> tuple[Any, float, float]:
                report = await engine.start(problem, RunOptions(), watch, stop=asyncio.Event())
                ours = time.perf_counter() - began[0] - backend.seconds
                sends = [count for count in waves if count]
                return report, ours, await bare(sends, Path(folder) / "bare.db")

            report, ours, reference = asyncio.run(run())
            assert report.verdict == "verified", report.stop_reason
            taken, walked = supersteps(checkpoint_path()), supersteps(Path(folder) / "bare.db")
            ours, reference = ours / taken, reference / walked
            rows.append(
                {
                    "supersteps": taken,
                    "bare_supersteps": walked,
                    "orders": sum(waves),
                    "steps": len(report.steps),
                    "calls": report.calls,
                    "ours_ms": round(1000 * ours, 2),
                    "bare_ms": round(1000 * reference, 2),
                    "ratio": round(ours / reference, 2),
                    "checkpoint_mb": round(checkpoint_path().stat().st_size / 1e6, 2),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    later = rows[1:] or rows  # The first imports what the others find imported.
    ours, reference = (median(row[name] for row in later) for name in ("ours_ms", "bare_ms"))
    print(
        json.dumps(
            {
                "median_of": len(later), "ours_ms": ours, "bare_ms": reference,
                "ratio": round(ours / reference, 2),
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
