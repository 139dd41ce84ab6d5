"""Harness overhead per superstep against bare LangGraph with the same saver.

    python -m tests.benchmarks.overhead --events 64

The model is the oracle and routing reads forms, so that what is left is ours: tiers, store, ledger,
graph. The reference walks as many supersteps through trivial nodes, one of them by ``Send``, with the
same checkpointer and durability, in the same process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any, TypedDict

from eval import get
from harness import engine, routing, wiring
from harness.report import Event, RunOptions
from state import checkpoint_path
from tests.oracle import CARDS, OracleBackend, by_form, horizon_story


class Small(TypedDict, total=False):
    """The reference's state: as small as ours."""

    run_id: str
    wave: int
    reason: str


async def bare(supersteps: int, file: Path) -> float:
    """Seconds of ``supersteps`` supersteps of bare LangGraph: decide → dispatch ⇉ work → decide."""
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import Command, Send

    waves = supersteps // 3

    async def decide(state: Small) -> Command[Any]:
        wave = state.get("wave", 0)
        return Command(goto="dispatch" if wave < waves else END, update={"wave": wave + 1})

    async def dispatch(state: Small) -> Command[Any]:
        return Command(goto=[Send("work", {"run_id": "x", "delegation": str(state["wave"])})])

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
        begun = time.perf_counter()
        await compiled.ainvoke({"run_id": "x"}, config, durability="sync")  # type: ignore[arg-type]
        return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=64)
    parser.add_argument("--number", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    story = horizon_story(args.events, args.number)
    problem = get("horizon", f"{args.events}-{args.number}")
    rows = []
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["HARNESS_HOME"] = folder
            backend = OracleBackend([story])

            async def open_backend(options: RunOptions, found: OracleBackend = backend) -> Any:
                return found, CARDS

            wiring.open_backend = open_backend  # type: ignore[assignment]
            routing.open_router = by_form
            waves, began = [0], [0.0]

            def watch(event: Event, waves: list[int] = waves, began: list[float] = began) -> None:
                waves[0] += event.kind == "monitor"
                if event.kind == "start":
                    began[0] = time.perf_counter()

            async def run(
                folder: str = folder, began: list[float] = began, waves: list[int] = waves
            ) -> tuple[Any, float, float]:
                report = await engine.start(problem, RunOptions(), watch, stop=asyncio.Event())
                ours = time.perf_counter() - began[0]
                supersteps = 3 * waves[0]
                return report, ours, await bare(supersteps, Path(folder) / "bare.db")

            report, ours, reference = asyncio.run(run())
            assert report.verdict == "verified", report.stop_reason
            supersteps = 3 * waves[0]
            rows.append(
                {
                    "supersteps": supersteps,
                    "steps": len(report.steps),
                    "calls": report.calls,
                    "ours_ms": round(1000 * ours / supersteps, 2),
                    "bare_ms": round(1000 * reference / supersteps, 2),
                    "ratio": round(ours / reference, 2),
                    "checkpoint_mb": round(checkpoint_path().stat().st_size / 1e6, 2),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    best = min(rows, key=lambda r: r["ratio"])
    print(json.dumps({"best": best}))


if __name__ == "__main__":
    main()
