"""The graph for LangGraph's own tools: ``langgraph.json`` names :func:`graph`.

Its input is ``{"problem": "horizon/16-0"}``. It starts a run under the current settings, goes
through the same nodes as ``harness run``, and closes the run at its end.
"""

from __future__ import annotations

import asyncio
import io
from typing import Any

from langgraph.graph import END, START

from eval import load_problem
from eval.validators import validators
from harness.engine import make_context
from harness.graph import RunState, build
from harness.report import RunOptions
from harness.wiring import open_backend
from state import BeadStore, Runs, StopReason, database_url
from tiers.run_context import RunContext


class StudioState(RunState, total=False):
    """The run's state, and the problem it starts from."""

    problem: str


def graph() -> Any:
    """The compiled graph, without a checkpointer: the tool that opens it supplies its own."""
    rooms: dict[str, RunContext] = {}

    async def begin(state: StudioState) -> RunState:
        problem = await asyncio.to_thread(load_problem, state["problem"], io.StringIO())
        options = RunOptions()
        store = BeadStore.open(database_url())
        run = Runs(store).start(
            problem.id,
            problem_json=problem.model_dump_json(),
            config_json=options.model_dump_json(),
        )
        store.create(
            "epic", problem.id, key=f"{run.id}|root", run_id=run.id, body=problem.statement,
            tier="monitor",
        )  # fmt: skip
        backend, cards = await open_backend(options)
        rooms[run.id] = make_context(
            run, problem.task(), options, store, backend, cards, validators(), lambda event: None
        )
        return {"run_id": run.id, "wave": 0}

    async def close(state: StudioState) -> RunState:
        context = rooms.pop(state["run_id"])
        data = context.root.data
        Runs(context.store).finish(
            context.run_id, verdict=data["verdict"], answer=data["answer"],
            reason=StopReason.model_validate(state["stop"]),
        )  # fmt: skip
        await context.caller.backend.close()
        context.store.close_database()
        return {}

    found = build(rooms.__getitem__, state=StudioState, entry=False)
    found.add_node("begin", begin)
    found.add_node("close", close)
    found.add_edge(START, "begin")
    found.add_edge("begin", "monitor")
    found.add_edge("report", "close")
    found.add_edge("close", END)
    return found.compile()
