"""Solves problems for comparisons: opens the fleet once and solves each problem with any system."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import get_args

from eval.baselines import BASELINES, Bench
from eval.compare.attempts import Attempt, Journal
from eval.compare.comparison import Solve, failed, lost
from eval.compare.variants import Try
from eval.problems import Problem, score
from eval.validators import validators
from harness import engine, wiring
from harness.report import Part, RunOptions
from specialists.backends.base import Backend
from specialists.registry import Card
from state import BeadStore, Ledger, Runs, StopReason, database_url, keyed_id
from state.errors import (
    BackendTimeout,
    BadAnswer,
    BudgetExceeded,
    HarnessError,
    PromptTooLong,
    UsageError,
)
from tiers.budget import Meter, Price
from tiers.model_calls import Caller, Interrupted
from tiers.protocol import CheckResult, Validator

HIERARCHY = "hierarchy"
PARTS: tuple[str, ...] = get_args(Part)
WITHOUT = "without-"
SYSTEMS = (*BASELINES, HIERARCHY)


def check_systems(systems: Sequence[str]) -> None:
    """Raise UsageError for a system that does not exist, or is named twice."""
    known = (*SYSTEMS, *(WITHOUT + part for part in PARTS))
    for system in systems:
        if system not in known:
            raise UsageError(f"no system {system!r}; systems: {', '.join(known)}")
    if len(set(systems)) < len(systems):
        raise UsageError(f"a system is named twice: {', '.join(systems)}")


@dataclass(frozen=True)
class _Place:
    """Resources of attempts: one open backend and one store."""

    backend: Backend
    cards: list[Card]
    store: BeadStore


@asynccontextmanager
async def _open_place(
    options: RunOptions, suites: Mapping[str, Sequence[Problem]]
) -> AsyncIterator[_Place]:
    backend, cards = await wiring.open_backend(options)
    store: BeadStore | None = None
    try:
        wiring.check_specialist(options.specialist, cards)
        store = BeadStore.open(database_url())
        _check_budget(options, suites, backend, cards)
        yield _Place(backend, cards, store)
    finally:
        if store is not None:
            store.close_database()
        await backend.close()


@asynccontextmanager
async def open_solver(
    options: RunOptions, suites: Mapping[str, Sequence[Problem]]
) -> AsyncIterator[Solve]:
    """A ``solve`` function over one open backend; it raises for an attempt that did not end.

    Raises UsageError where the token budget does not cover a single call on one of the problems.
    """
    async with _open_place(options, suites) as place:
        checkers = validators()

        async def solve(suite: str, system: str, problem: Problem, seed: int) -> Attempt:
            own = options.model_copy(update={"seed": seed})
            if system in BASELINES:
                own = own.model_copy(update={"system": system})
                return await _baseline(suite, system, problem, own, place, checkers)
            parts = (system.removeprefix(WITHOUT),) if system != HIERARCHY else ()
            own = RunOptions.model_validate(
                {**own.model_dump(), "api_key": own.api_key, "without": parts, "specialist": None}
            )
            return await _hierarchy(suite, system, problem, own, place)

        yield solve


@asynccontextmanager
async def open_variants(
    suite: str, problems: Sequence[Problem], options: Mapping[str, RunOptions], journal: Journal
) -> AsyncIterator[Try]:
    """A function that makes an attempt of a variant at a problem, each variant with its own
    backend.

    Attempts in ``journal`` are not made again.
    """
    async with AsyncExitStack() as stack:
        places = {
            name: await stack.enter_async_context(_open_place(own, {suite: problems}))
            for name, own in options.items()
        }

        async def attempt(name: str, problem: Problem) -> Attempt:
            own = options[name]
            key = (suite, name, problem.id, own.seed)
            if journal.to_make(key):
                try:
                    made = await _hierarchy(suite, name, problem, own, places[name])
                except PromptTooLong as error:
                    made = failed(key, error)
                except (BadAnswer, BackendTimeout) as error:
                    made = lost(key, error)
                journal.add(made)
            return journal.attempts[key]

        yield attempt


def _check_budget(
    options: RunOptions,
    suites: Mapping[str, Sequence[Problem]],
    backend: Backend,
    cards: Sequence[Card],
) -> None:
    limit = options.budget.tokens
    if limit is None:
        return
    for problem in (p for problems in suites.values() for p in problems):
        size = backend.count_tokens(problem.statement)
        if size >= limit:
            raise UsageError(
                f"--budget-tokens {limit} does not cover one call: the statement of {problem.id} "
                f"alone has {size} tokens"
            )


async def _hierarchy(
    suite: str,
    system: str,
    problem: Problem,
    options: RunOptions,
    place: _Place,
) -> Attempt:
    options = options.model_copy(update={"approve": None})  # No person is present to approve.
    report = await engine.start(
        problem, options, lambda event: None, stop=asyncio.Event(),
        fleet=(place.backend, place.cards), store=place.store,
    )  # fmt: skip
    if report.status != "finished":
        raise Interrupted(f"run {report.run_id} did not end: {report.stop_reason}")
    untold = unjudged(report.hidden)
    return Attempt(
        suite=suite, system=system, problem=problem.id, seed=options.seed,
        solved=report.reference_match is True, lost="judge" if untold else None,
        claimed=report.verdict == "verified", exhausted=report.verdict == "exhausted",
        tokens=report.tokens, calls=report.calls, seconds=report.seconds,
        cost=_cost(options, report.cost), run_id=report.run_id,
        stop_reason=untold or report.stop_reason,
    )  # fmt: skip


def unjudged(hidden: Sequence[CheckResult]) -> str | None:
    """Why hidden checks cannot decide whether an answer is right; ``None`` where they can."""
    if any(result.refutes for result in hidden):
        return None
    return next((r.detail or r.signature for r in hidden if r.inconclusive), None)


async def _baseline(
    suite: str,
    system: str,
    problem: Problem,
    options: RunOptions,
    place: _Place,
    checkers: Mapping[str, Validator],
) -> Attempt:
    store, backend = place.store, place.backend
    runs, ledger = Runs(store), Ledger(store)
    run = runs.start(
        problem.id,
        problem_json=problem.model_dump_json(),
        config_json=options.model_dump_json(),
        seed=options.seed,
    )
    root = f"{run.id}|root"
    store.create("epic", problem.id, key=root, run_id=run.id, body=problem.statement,
                 tier="monitor")  # fmt: skip
    price = Price(options.price_prompt, options.price_completion)
    meter = Meter(options.budget, ledger.spent(run.id), price=price)
    caller = Caller(run.id, backend, ledger, meter, temperature=options.temperature)
    bench = Bench(
        task=problem.task(), cards=place.cards, caller=caller, bead_id=keyed_id(root),
        validators=checkers, seed=options.seed, specialist=options.specialist,
    )  # fmt: skip
    reason, answer = StopReason(kind="done", text=f"{system} is done"), None
    try:
        answer = await BASELINES[system](bench)
    except BudgetExceeded as error:
        reason = StopReason(kind="budget", text=str(error))
    except asyncio.CancelledError:
        caller.stop()
        await caller.drain()
        runs.interrupt(run.id, StopReason(kind="stopped", text="stopped on request"))
        raise
    except HarnessError as error:
        runs.interrupt(run.id, StopReason(kind="error", text=str(error)))
        raise
    claimed = bool(problem.public_checks) and all(r.passed for r in await bench.examine(answer))
    hidden = await score(problem, answer, checkers) if answer is not None else []
    solved = bool(hidden) and all(r.passed for r in hidden)
    untold, spent = unjudged(hidden), reason.kind == "budget"
    verdict = "verified" if claimed else "exhausted" if spent else "unverified"
    store.close(keyed_id(root), f"{verdict}: {reason.text}")
    ended = runs.finish(
        run.id, verdict=verdict, reason=reason, answer=answer,
        reference_match=None if untold else solved,
    )  # fmt: skip
    return Attempt(
        suite=suite, system=system, problem=problem.id, seed=options.seed, solved=solved,
        lost="judge" if untold else None, claimed=claimed, exhausted=spent,
        tokens=ended.spent_tokens, calls=ended.spent_calls,
        seconds=round(ended.spent_seconds, 3), cost=_cost(options, ended.spent_cost),
        run_id=run.id, stop_reason=untold or reason.text,
    )  # fmt: skip


def _cost(options: RunOptions, dollars: float) -> float | None:
    """Cost in dollars where a price is known; ``None`` for a local model, which has none."""
    return dollars if options.price_prompt or options.price_completion else None
