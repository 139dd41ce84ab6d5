"""The state machine of a run: monitor → architect → dispatcher ⇉ fleet → monitor → … → report.

The state holds ids, counters and the verdict; content is in beads. The nodes call the tiers; the
tiers do not call each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypedDict, cast

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

from harness.approval import plan_text
from state.errors import BudgetExceeded
from state.stops import StopReason
from tiers import parts
from tiers.architect import Architect
from tiers.dispatcher import Dispatcher
from tiers.fleet import Fleet
from tiers.monitor import Monitor
from tiers.protocol import NoPlan, PlanError
from tiers.report import conclude
from tiers.run_context import RunContext

RECURSION_LIMIT = 100_000


class RunState(TypedDict, total=False):
    """The content of a checkpoint."""

    run_id: str
    wave: int
    mode: str
    """``direct``, ``plan`` or ``divide``, for the architect."""
    plan: int
    error: str | None
    """Why the last planning failed."""
    final: bool
    """Whether no further plan can help."""
    exhausted: str | None
    """Which limit stopped the last planning."""
    stop: dict[str, str]
    """Why the run stops: a :class:`state.stops.StopReason` as plain data."""
    verdict: str


class Order(TypedDict):
    """The content of one ``Send`` to the fleet."""

    run_id: str
    delegation: str


def build(
    context_of: Callable[[str], RunContext],
    *,
    approve: bool = False,
    state: type[RunState] = RunState,
    entry: bool = True,
) -> StateGraph[Any]:
    """The graph; ``context_of(run_id)`` gives each node its context.

    With ``approve`` a person is asked after each plan, through LangGraph's interrupt. Without
    ``entry`` the caller connects start and end itself, under a larger ``state``.
    """

    def context(state: RunState | Order) -> RunContext:
        return context_of(state["run_id"])

    async def monitor(
        state: RunState,
    ) -> Command[Literal["architect", "dispatcher", "report"]]:
        here, wave = context(state), state.get("wave", 0)
        exhausted = state.get("exhausted") or here.caller.meter.exhausted() or _spent(here)
        verdict = await Monitor(here).decide(
            wave, state.get("error"), exhausted, final=state.get("final", False)
        )
        update: RunState = {"wave": wave + 1, "error": None}
        if verdict.kind == "stop":
            return Command(
                goto="report", update={**update, "stop": verdict.stop_reason.model_dump()}
            )
        if verdict.kind in ("direct", "plan", "replan"):
            mode = "direct" if verdict.kind == "direct" else "plan"
            return Command(goto="architect", update={**update, "mode": mode, "plan": verdict.plan})
        if verdict.kind == "divide":
            return Command(goto="architect", update={**update, "mode": "divide"})
        return Command(goto="dispatcher", update=dict(update))

    async def architect(
        state: RunState,
    ) -> Command[Literal["dispatcher", "approval", "monitor"]]:
        try:
            here = context(state)
            if state["mode"] == "divide":
                fit = await Architect(here).take_apart(parts.to_take_apart(here))
                return Command(goto="dispatcher" if fit else "monitor")
            await Architect(here).plan(state["mode"], state["plan"])
        except PlanError as error:
            final = isinstance(error, NoPlan)
            return Command(goto="monitor", update={"error": str(error), "final": final})
        except BudgetExceeded as error:
            return Command(goto="monitor", update={"exhausted": error.limit})
        return Command(goto="approval" if approve else "dispatcher")

    async def approval(state: RunState) -> Command[Literal["dispatcher", "report"]]:
        answer = interrupt({"plan": plan_text(context(state))})
        if answer["decision"] == "no":
            refused = StopReason(kind="refused", text="the plan was refused")
            return Command(goto="report", update={"stop": refused.model_dump()})
        return Command(goto="dispatcher")

    async def dispatcher(state: RunState) -> Command[Literal["fleet", "monitor"]]:
        here = context(state)
        try:
            async with (
                here.caller.meter.within()
            ):  # A scorer may ask the model for log-probabilities.
                orders = await Dispatcher(here).dispatch()
        except NoPlan as error:
            return Command(goto="monitor", update={"error": str(error), "final": True})
        except BudgetExceeded as error:
            return Command(goto="monitor", update={"exhausted": error.limit})
        if not orders:
            return Command(goto="monitor", update={"error": "no step is ready"})
        return Command(
            goto=[Send("fleet", Order(run_id=state["run_id"], delegation=d)) for d in orders]
        )

    async def fleet(order: Order) -> dict[str, Any]:
        await Fleet(context(order)).execute(order["delegation"])
        return {}

    async def report(state: RunState) -> RunState:
        result = await conclude(context(state), StopReason.model_validate(state["stop"]))
        return {"verdict": result.verdict}

    graph: StateGraph[Any] = StateGraph(state)
    graph.add_node("monitor", monitor)
    graph.add_node("architect", architect)
    graph.add_node("approval", approval)
    graph.add_node("dispatcher", dispatcher)
    graph.add_node("fleet", cast(Any, fleet))
    graph.add_node("report", report)
    graph.add_edge("fleet", "monitor")
    if entry:
        graph.add_edge(START, "monitor")
        graph.add_edge("report", END)
    return graph


def _spent(context: RunContext) -> str | None:
    """The limit that ended an outcome of the last wave, if one did."""
    outcomes = reversed(context.outcomes().values())
    return next((o.error for _, o in outcomes if o.status == "exhausted"), None)
