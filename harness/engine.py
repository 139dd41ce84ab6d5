"""Runs a problem from its statement to the report, and resumes interrupted runs.

This module connects the packages: state, backend, fleet, routing, validators, graph.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from harness.approval import apply_answer
from harness.report import Event, Observer, RunOptions, RunReport, StepReport
from specialists.backends.base import Backend
from specialists.registry import Card
from specialists.routing import Router
from state import Bead, BeadStore, Call, Ledger, Run, Runs, StopReason, database_url, keyed_id
from state.checkpoints import open_checkpoints
from state.errors import BackendTimeout, UsageError
from state.vectors import Vectors
from tiers.budget import Meter, Price
from tiers.memory import Memory, MemoryPolicy, fleet_identity
from tiers.model_calls import GRACE_S, Caller, Interrupted, remarks_on
from tiers.protocol import CheckResult, Task
from tiers.run_context import RunContext

Result = TypeVar("Result")

LOCK_RENEWAL_S = 15.0
REMARKS_IN_WORDS = {
    "model": "{says} answers for {asked}",
    "text": "in an answer {says} and were replaced",
    "empty": "{says}",
    "parameters": "{asked} is {says}, which it does not take",
}
"""Kind of remark on an answer → its text for the user; each line is shown once a run."""
CUT_OFF_S = 0.5
"""Seconds that other work may go on after a request to stop, once the calls have been given up."""


async def start(
    problem: Any,
    options: RunOptions,
    observer: Observer,
    *,
    stop: asyncio.Event,
    fleet: tuple[Backend, list[Card]] | None = None,
    store: BeadStore | None = None,
) -> RunReport:
    """Run ``problem`` (an ``eval.problems.Problem``) under ``options`` and report.

    ``fleet`` is an open backend with its cards and ``store`` an open store, for runs that share
    one; the function leaves both open.
    """
    from harness import routing

    if fleet is None:
        observer(Event(kind="note", text=f"{problem.id}: {_opening(options)}"))
    with _store(store) as store:
        async with _backend(options, stop, fleet) as (backend, cards):
            # The router is opened before there is a run, because it may be untrained.
            router = routing.open_router(options, backend, cards, store)
            runs = Runs(store)
            run = runs.start(
                problem.id,
                problem_json=problem.model_dump_json(),
                config_json=options.model_dump_json(),
                seed=options.seed,
            )
            observer(_started(run, resumed=False))
            try:
                return await _drive(
                    run, problem, options, store, backend, cards, observer, stop, None, router
                )
            except Exception as error:
                if runs.get(run.id).status == "running":  # The run failed before it could begin.
                    runs.interrupt(run.id, _failure(error))
                raise


@contextlib.contextmanager
def _store(given: BeadStore | None) -> Iterator[BeadStore]:
    store = given or BeadStore.open(database_url())
    try:
        yield store
    finally:
        if given is None:
            store.close_database()


async def resume(
    run_id: str,
    observer: Observer,
    *,
    stop: asyncio.Event,
    approval: dict[str, Any] | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    model: str | None = None,
) -> RunReport:
    """Resume an interrupted run; a finished one is only reported again.

    ``base_url`` and ``model`` permanently replace those that the run was started with. Raises
    ``UsageError`` for an unknown run, for one that another process works on, and for a model other
    than the one that has answered calls of the run.
    """
    from eval.problems import Problem

    store = BeadStore.open(database_url())
    try:
        runs = Runs(store)
        before = runs.get(run_id)
        problem = Problem.model_validate_json(before.problem_json)
        options = RunOptions.model_validate_json(before.config_json)
        if before.status == "finished":
            observer(Event(kind="note", text=f"run {before.id} is finished"))
            return _report(store, before, ())
        if options.system is not None:
            raise UsageError(
                f"run {before.id} is an attempt of {options.system} in a comparison: go on with "
                "harness eval compare"
            )
        given = {"base_url": base_url, "model": model}
        changed = options.model_copy(update={k: v for k, v in given.items() if v is not None})
        if changed != options:
            _check_change(store, before, options, changed)
        run = runs.acquire(before.id)
        try:
            store.release_run(run.id)
            options = changed.model_copy(update={"api_key": api_key})
            async with _backend(options, stop) as (backend, cards):
                if changed.model_dump_json() != run.config_json:
                    runs.reconfigure(run.id, changed.model_dump_json())
                observer(_started(run, resumed=True))
                return await _drive(
                    run, problem, options, store, backend, cards, observer, stop, approval
                )
        except BaseException:
            if runs.get(run.id).status == "running":  # No work was done on the run.
                runs.put_back(before)
            raise
    finally:
        store.close_database()


def _opening(options: RunOptions) -> str:
    """Description of the step that delays the start of a run."""
    match options.backend:
        case "local":
            return f"loading the model of {options.fleet or 'the pocket fleet'}"
        case "openai":
            return f"asking {options.base_url}"
        case "recorded":
            return f"reading {options.recording}"


def _check_change(store: BeadStore, run: Run, old: RunOptions, new: RunOptions) -> None:
    """Raise UsageError where a run cannot continue with another endpoint or another model."""
    if old.backend != "openai":
        raise UsageError(
            f"run {run.id} uses the {old.backend} backend: --base-url and --model are for openai"
        )
    answered = {str(call.params.get("model")) for call in Ledger(store).calls(run.id)}
    if answered - {new.model}:
        raise UsageError(
            f"run {run.id} has answers of {', '.join(sorted(answered))}: start a new run to use "
            f"{new.model}"
        )


def _started(run: Run, *, resumed: bool) -> Event:
    verb = "resumed" if resumed else "started"
    data = {"run_id": run.id, "problem": run.problem_id, "resumed": resumed}
    return Event(kind="start", text=f"run {run.id} {verb}: {run.problem_id}", data=data)


async def _drive(
    run: Run,
    problem: Any,
    options: RunOptions,
    store: BeadStore,
    backend: Backend,
    cards: list[Card],
    observer: Observer,
    stop: asyncio.Event,
    approval: dict[str, Any] | None,
    router: Router | None = None,
) -> RunReport:
    from langgraph.types import Command

    from eval.problems import score
    from eval.validators import validators

    runs = Runs(store)
    store.create(  # The root is created here too, for a run that was killed before it had one.
        "epic", problem.id, key=f"{run.id}|root", run_id=run.id, body=problem.statement,
        tier="monitor",
    )  # fmt: skip
    checkers = validators()
    context = make_context(
        run, problem.task(), options, store, backend, cards, checkers, observer, router
    )
    working = False
    try:
        async with open_graph(context, approve=options.approve == "plan") as (graph, config):
            held = await graph.aget_state(config)
            paused = bool(held.interrupts)
            if approval is not None and not paused:
                raise UsageError(f"run {run.id} does not wait for approval: leave out --approve")
            if paused and approval is None:
                return _awaiting(store, runs, run, held.interrupts[0].value, observer)
            # ``held.next`` is not used: it omits nodes whose writes are saved but not yet applied.
            begun = held.created_at is not None
            entry: Any = None if begun else {"run_id": run.id, "wave": 0}
            if "plan" in context.root.data:
                context.emit_plan("resume", "as it stands in the store")
            if paused and approval is not None:
                if approval["decision"] == "edit":
                    apply_answer(
                        context, approval["plan"]
                    )  # An edit may be refused, so it is applied first.
                    context.emit_plan("edit", "as edited")
                entry = Command(resume=approval)
            working = True
            # Otherwise the run was killed with nothing left to do.
            if "verdict" not in context.root.data:
                await _attended(
                    graph.ainvoke(entry, config, durability="sync"),
                    runs,
                    run.id,
                    stop,
                    context.caller,
                )
            # Calls that were under way when the budget ran out are paid for.
            await context.caller.drain()
            held = await graph.aget_state(config)
            if held.interrupts:
                return _awaiting(store, runs, run, held.interrupts[0].value, observer)
            root = context.root
            verdict, answer = root.data["verdict"], root.data["answer"]
        hidden: tuple[CheckResult, ...] = ()
        if problem.hidden_checks and answer is not None:
            scoring = score(problem, answer, checkers)
            hidden = tuple(await _attended(scoring, runs, run.id, stop, context.caller))
        finished = runs.finish(
            run.id, verdict=verdict, answer=answer, reason=_stop_reason(root),
            reference_match=_matches(problem, hidden),
        )  # fmt: skip
        return _report(store, finished, hidden)
    except (Interrupted, asyncio.CancelledError):
        context.caller.stop()
        await context.caller.drain()
        stopped = StopReason(kind="stopped", text="stopped on request")
        return _report(store, runs.interrupt(run.id, stopped), ())
    except Exception as error:
        await context.caller.drain()
        if working:
            runs.interrupt(run.id, _failure(error))
        raise


def _failure(error: Exception) -> StopReason:
    return StopReason(kind="error", text=str(error) or type(error).__name__)


async def _attended(
    work: Coroutine[Any, Any, Result],
    runs: Runs,
    run_id: str,
    stop: asyncio.Event,
    caller: Caller,
) -> Result:
    """Run ``work`` while the run's lock is renewed; cancel it soon after a request to stop."""
    task = asyncio.ensure_future(work)
    keeper = asyncio.create_task(_keep(task, runs, run_id, stop, caller))
    try:
        return await task
    finally:
        task.cancel()
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper


def _stop_reason(root: Bead) -> StopReason:
    """Why the run ended, from the root bead, as its report wrote it."""
    # Runs of older program versions store only the text.
    kind = "budget" if root.data["verdict"] == "exhausted" else "done"
    older = {"kind": kind, "text": root.close_reason or ""}
    return StopReason.model_validate(root.data.get("stop", older))


def _matches(problem: Any, hidden: tuple[CheckResult, ...]) -> bool | None:
    """Whether every hidden check passed; a missing answer passes none. ``None`` where there is no
    hidden check, or one could not decide."""
    if not problem.hidden_checks:
        return None
    if any(check.refutes for check in hidden) or not hidden:
        return False
    return True if all(check.passed for check in hidden) else None


async def _keep(
    work: asyncio.Task[Any], runs: Runs, run_id: str, stop: asyncio.Event, caller: Caller
) -> None:
    """Renew the run's lock, and pass on a request to stop: first to the calls, then to all other
    work."""
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOCK_RENEWAL_S)
        runs.renew(run_id)
    caller.stop()
    await asyncio.sleep(GRACE_S + CUT_OFF_S)
    work.cancel()


def make_context(
    run: Run,
    task: Task,
    options: RunOptions,
    store: BeadStore,
    backend: Backend,
    cards: list[Card],
    checkers: Any,
    observer: Observer,
    router: Router | None = None,
) -> RunContext:
    """The context that all tiers of ``run`` share; ``router`` is opened unless it is given."""
    from harness import routing
    from harness.wiring import open_embedding

    router = router or routing.open_router(options, backend, cards, store)
    vectors = Vectors(store, open_embedding(options.embedder))
    fleet = fleet_identity(backend.model_id, cards)
    forgetful = MemoryPolicy(packs="off", routines=False, insights=False)
    policy_of_memory = forgetful if "memory" in options.without else options.memory
    memory = Memory(store, vectors, policy_of_memory, fleet)
    ledger = Ledger(store)
    meter = Meter(
        options.budget, ledger.spent(run.id), seconds_before=run.spent_seconds,
        price=Price(options.price_prompt, options.price_completion),
    )  # fmt: skip

    def emit(kind: str, text: str, **data: Any) -> None:
        observer(Event.model_validate({"kind": kind, "text": text, "data": data}))

    told: set[str] = set()

    def on_call(call: Call, replayed: bool) -> None:
        for kind, says in remarks_on(call).items():
            if (line := REMARKS_IN_WORDS[kind].format(asked=call.model, says=says)) not in told:
                told.add(line)
                emit("note", line, remark=kind)
        spent = meter.spent
        emit(
            "call", f"{call.tier}: {call.specialist}", specialist=call.specialist, tier=call.tier,
            tokens=call.prompt_tokens + call.completion_tokens, replayed=replayed,
            calls=spent.calls, total_tokens=spent.tokens, cost=spent.cost,
        )  # fmt: skip

    caller = Caller(
        run.id, backend, ledger, meter, temperature=options.temperature, on_call=on_call
    )
    return RunContext(
        run_id=run.id, task=task, store=store, caller=caller, cards=cards,
        router=router, validators=checkers, emit=emit, memory=memory, strategy=options.strategy,
        specialist=options.specialist, seed=options.seed, without=frozenset(options.without),
    )  # fmt: skip


@asynccontextmanager
async def open_graph(context: RunContext, *, approve: bool) -> AsyncIterator[tuple[Any, Any]]:
    """The compiled graph over the run's checkpoints, and the run's thread in them."""
    from harness.graph import RECURSION_LIMIT, build

    async with open_checkpoints(context.store.database) as saver:
        graph = build(lambda run_id: context, approve=approve).compile(checkpointer=saver)
        config = {
            "configurable": {"thread_id": context.run_id},
            "recursion_limit": RECURSION_LIMIT,
        }
        yield graph, config


@asynccontextmanager
async def _backend(
    options: RunOptions, stop: asyncio.Event, fleet: tuple[Backend, list[Card]] | None = None
) -> AsyncIterator[tuple[Backend, list[Card]]]:
    from harness.wiring import check_specialist

    if fleet is not None:
        yield fleet
        return

    backend, cards = await _opened(options, stop)
    try:
        check_specialist(options.specialist, cards)
        yield backend, cards
    finally:
        await backend.close()


async def _opened(options: RunOptions, stop: asyncio.Event) -> tuple[Backend, list[Card]]:
    """The backend and its cards; a request to stop and the endpoint's time limit cancel the
    opening.

    Raises ``Interrupted`` and ``BackendTimeout`` in these cases, besides the errors of the opening
    itself.
    """
    from harness.wiring import open_backend

    limit = options.budget.seconds if options.backend == "openai" else None
    opening = asyncio.create_task(open_backend(options))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({opening, stopping}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not opening.done():
            opening.cancel()
            await asyncio.wait({opening})
    if not opening.cancelled():
        return opening.result()
    if stop.is_set():
        raise Interrupted("stopped on request")
    raise BackendTimeout(f"{options.base_url} did not answer in the {limit:g} s that the run has")


def _awaiting(store: BeadStore, runs: Runs, run: Run, value: Any, observer: Observer) -> RunReport:
    observer(Event(kind="approval", text="the plan waits for a yes", data=dict(value)))
    waits = StopReason(kind="approval", text="the plan waits for approval")
    return _report(store, runs.interrupt(run.id, waits), ())


def _report(store: BeadStore, run: Run, hidden: tuple[CheckResult, ...]) -> RunReport:
    ledger = Ledger(store)
    root = store.get(keyed_id(f"{run.id}|root"))
    return RunReport.model_validate(
        {
            "run_id": run.id, "problem": run.problem_id,
            "status": run.status,
            "verdict": run.verdict, "answer": run.answer, "reference_match": run.reference_match,
            "steps": _steps(store, run.id, root.data.get("plan")), "calls": run.spent_calls,
            "tokens": run.spent_tokens, "seconds": round(run.spent_seconds, 3),
            "cost": run.spent_cost, "stop_kind": run.stop_kind,
            "stop_reason": run.stop_reason,
            "specialists": ledger.calls_by_specialist(run.id),
            "checks": root.data.get("checks", []), "doubts": root.data.get("doubts", []),
            "hidden": hidden, "lost": ledger.lost(run.id),
        }
    )  # fmt: skip


def _steps(store: BeadStore, run_id: str, plan: int | None) -> list[StepReport]:
    return [
        StepReport(
            id=s.id, kind=s.data["kind"], objective=s.data["objective"],
            status="given" if s.data["given"] else s.data.get("outcome") or s.status,
            specialist=s.assignee, artifact=s.data.get("artifact"), attempts=s.attempts,
        )
        for s in store.of_run(run_id, "step")
        if s.data["plan"] == plan
    ]  # fmt: skip
