"""The sweep, which runs systems on the same problems; the analysis is :mod:`eval.compare.analysis`.

The caller supplies a ``solve`` function. The sweep keeps a journal, so that it can be resumed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from eval.compare.analysis import ALPHA, SMALLEST_EFFECT, Comparison, Difference, Standing, analyse
from eval.compare.attempts import Attempt, Journal, Key, join, word
from eval.problems import Problem
from state.errors import BackendTimeout, BadAnswer, PromptTooLong, UsageError

__all__ = [
    "ALPHA",
    "SMALLEST_EFFECT",
    "Attempt",
    "Comparison",
    "Difference",
    "Journal",
    "Key",
    "Solve",
    "Standing",
    "analyse",
    "join",
    "lost",
    "sweep",
    "word",
]

GRACE_S = 4.0
"""Seconds in which stopped attempts may end by themselves, so that their calls are recorded."""

Solve = Callable[[str, str, Problem, int], Awaitable[Attempt]]
"""(suite, system, problem, seed) → attempt; raises neither for a wrong answer nor for a spent
budget."""


def failed(key: Key, error: Exception) -> Attempt:
    """A failed attempt that its own system made impossible: its prompt does not fit the model."""
    return lost(key, error).model_copy(update={"lost": None})


def lost(key: Key, error: Exception) -> Attempt:
    """A lost attempt, ended by an unusable answer of the backend: it counts against no system."""
    suite, system, problem, seed = key
    reason = " ".join(str(error).encode("utf-8", "replace").decode().split())
    return Attempt(
        suite=suite, system=system, problem=problem, seed=seed, solved=False, lost="answer",
        stop_reason=reason,
    )  # fmt: skip


async def sweep(
    suites: Mapping[str, Sequence[Problem]],
    systems: Sequence[str],
    seeds: Sequence[int],
    solve: Solve,
    journal: Journal,
    *,
    concurrency: int = 4,
    on_attempt: Callable[[Attempt, int, int], None] = lambda attempt, done, of: None,
) -> list[Attempt]:
    """Every system on every problem with every seed; attempts in the journal are not made again.

    Problems are the outer loop, so that an interrupted sweep compares all systems on the problems
    that it reached. ``on_attempt`` is called with each new attempt, the number of finished attempts
    and the total. An attempt for which ``solve`` raises BadAnswer or BackendTimeout is lost. Any
    other exception stops the sweep, as does a cancellation: attempts under way are then given up
    and leave no line in the journal. Raises UsageError for a problem without hidden checks.
    """
    wanted = [
        ((suite, system, problem.id, seed), problem)
        for suite, problems in suites.items()
        for problem in problems
        for seed in seeds
        for system in systems
    ]
    for (suite, *_), problem in wanted:
        if not problem.hidden_checks:
            raise UsageError(
                f"suite {suite}: problem {problem.id} has no checker: nothing to compare"
            )
    keys = {key for key, _ in wanted}
    waiting = iter([(key, problem) for key, problem in wanted if journal.to_make(key)])
    failures: list[Exception] = []
    ending = False
    done = len([key for key in keys if not journal.to_make(key)])

    async def worker() -> None:
        nonlocal done
        for key, problem in waiting:
            if ending:
                return
            suite, system, _, seed = key
            try:
                attempt = await solve(suite, system, problem, seed)
            except PromptTooLong as error:
                attempt = failed(key, error)
            except (BadAnswer, BackendTimeout) as error:
                attempt = lost(key, error)
            journal.add(attempt)
            done += 1
            on_attempt(attempt, done, len(keys))

    async def attended() -> None:
        try:
            await worker()
        except Exception as error:  # The first error is the reason, later ones follow from it.
            failures.append(error)
            raise

    tasks = [asyncio.create_task(attended()) for _ in range(concurrency)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        ending = True
        await _wind_up(tasks)
    if failures:
        raise failures[0]
    return [journal.attempts[key] for key in sorted(keys)]


async def _wind_up(tasks: Sequence[asyncio.Task[None]]) -> None:
    """End the attempts under way, at the latest after :data:`GRACE_S` seconds."""
    for task in tasks:
        task.cancel()
    _, slow = await asyncio.wait(tasks, timeout=GRACE_S)
    for task in slow:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
