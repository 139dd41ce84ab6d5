"""Compare systems from Python: what ``harness eval compare`` does, with a report as its result."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, Unpack

from eval.compare import comparison_report
from eval.compare.analysis import SMALLEST_EFFECT, Comparison, analyse, check_effect
from eval.compare.attempts import Attempt, Frozen, Journal
from eval.compare.comparison import sweep
from eval.problems import Problem
from eval.selection import select_all
from harness import settings
from harness.api import ProblemLike, in_a_loop, load_problem
from harness.arguments import RUN_ONLY, SharedArguments
from harness.executors import open_executor
from harness.report import RunOptions
from harness.sweep import WITHOUT, check_systems
from state.errors import UsageError
from state.home import writable_home

SYSTEMS = ("direct", "cot", "best_of_n", "repair", "ensemble", "hierarchy")
"""Systems that are compared unless others are named."""
COUNT = 20
"""Problems of each named suite, unless another number is given."""

Suites: TypeAlias = str | Sequence[str] | Mapping[str, Sequence[ProblemLike]]
"""A suite, several, or problems of your own by the name of their suite."""
OnAttempt: TypeAlias = Callable[[Attempt, int, int], None]
"""Called with each new attempt, how many are done, and of how many."""


class ComparisonReport(Frozen):
    """How systems compare: one analysis for each suite, and the attempts behind it."""

    setting: dict[str, Any]
    """How the comparison was made, for people."""
    comparisons: tuple[Comparison, ...]
    """Standings and differences, suite by suite."""
    attempts: tuple[Attempt, ...]
    """Every system at every problem with every seed."""
    folder: Path
    """Where the attempts are kept: the same call goes on from them."""

    @property
    def sentences(self) -> list[str]:
        """What was found, in words."""
        return [sentence for one in self.comparisons for sentence in one.sentences]

    def markdown(self) -> str:
        """The report as Markdown."""
        return comparison_report.markdown(self.comparisons, self.setting)

    def html(self) -> str:
        """The report as a page with plots that needs no other file."""
        return comparison_report.html(self.comparisons, self.setting)


async def compare_async(
    suites: Suites = "horizon/16",
    systems: Sequence[str] = SYSTEMS,
    *,
    without: Sequence[str] = (),
    baseline: str = "direct",
    count: int | None = None,
    first: int | None = None,
    path: str | Path | None = None,
    seeds: int = 1,
    smallest_effect: float = SMALLEST_EFFECT,
    out: str | Path | None = None,
    max_concurrency: int = 4,
    executor: str = "local",
    ray_address: str | None = None,
    on_attempt: OnAttempt | None = None,
    **options: Unpack[SharedArguments],
) -> ComparisonReport:
    """Run systems on the same problems under the same budget, and say which is better.

    ``options`` are the settings that all systems share: ``max_tokens`` and ``max_calls`` limit each
    attempt, ``specialist`` is whom the baselines ask. ``without`` adds the hierarchy without a part.
    ``count``, ``first`` and ``path`` choose among the problems of named suites; problems of your own
    need hidden checks. Attempts are kept in ``out``, by default a folder among the runs that the
    arguments name: the same call makes only what is missing. Raises UsageError for wrong arguments
    and SetupError where the machine or the endpoint lacks something, both HarnessError; a cancelled
    comparison keeps its finished attempts.
    """
    for name, number in (("seeds", seeds), ("max_concurrency", max_concurrency)):
        if number < 1:
            raise UsageError(f"{name}: at least 1, not {number}")
    check_effect(smallest_effect)
    if isinstance(systems, str):
        raise UsageError(f"systems: give a sequence of names, not the one text {systems!r}")
    chosen = [*systems, *(WITHOUT + part for part in without)]
    check_systems(chosen)
    if baseline not in chosen:
        raise UsageError(f"baseline {baseline!r} is not among the systems: {', '.join(chosen)}")
    if own := sorted(set(options) & RUN_ONLY):
        raise UsageError(f"{own[0]}: is an argument of run, not of a comparison")
    made = settings.load(options, as_flags=False).options()
    made = made.model_copy(update={"specialist": options.get("specialist")})
    problems = await asyncio.to_thread(_problems, suites, path, count, first)
    header = header_of(problems, seeds, made)
    if isinstance(suites, Mapping):  # Their ids do not say what they ask.
        header["problems"] = _digest(problems)
    folder = Path(out) if out is not None else folder_of(problems, header)

    async with open_executor(
        executor, made, problems, address=ray_address, concurrency=max_concurrency
    ) as solve:
        journal = Journal(folder / "attempts.jsonl", header)
        attempts = await sweep(
            problems, chosen, range(1, seeds + 1), solve, journal, concurrency=max_concurrency,
            on_attempt=on_attempt or (lambda attempt, done, of: None),
        )  # fmt: skip
    return ComparisonReport(
        setting=setting_of(made, seeds) | comparison_report.method(smallest_effect),
        comparisons=tuple(analyse(attempts, chosen, baseline, smallest_effect)),
        attempts=tuple(attempts), folder=folder,
    )  # fmt: skip


def compare(
    suites: Suites = "horizon/16",
    systems: Sequence[str] = SYSTEMS,
    *,
    without: Sequence[str] = (),
    baseline: str = "direct",
    count: int | None = None,
    first: int | None = None,
    path: str | Path | None = None,
    seeds: int = 1,
    smallest_effect: float = SMALLEST_EFFECT,
    out: str | Path | None = None,
    max_concurrency: int = 4,
    executor: str = "local",
    ray_address: str | None = None,
    on_attempt: OnAttempt | None = None,
    **options: Unpack[SharedArguments],
) -> ComparisonReport:
    """Like :func:`compare_async`, for code without an event loop."""
    return in_a_loop(
        "compare",
        lambda: compare_async(
            suites, systems, without=without, baseline=baseline, count=count, first=first,
            path=path, seeds=seeds, smallest_effect=smallest_effect, out=out,
            max_concurrency=max_concurrency, executor=executor, ray_address=ray_address,
            on_attempt=on_attempt, **options,
        ),
    )  # fmt: skip


def _problems(
    suites: Suites, path: str | Path | None, count: int | None, first: int | None
) -> dict[str, Sequence[Problem]]:
    """Suite → its problems. Raises UsageError."""
    if isinstance(suites, Mapping):
        if (path, count, first) != (None, None, None):
            raise UsageError("count, first and path choose from named suites, not from your own")
        found = {str(name): [load_problem(p) for p in own] for name, own in suites.items()}
        for name, own in found.items():
            ids = [problem.id for problem in own]
            if not ids or len(set(ids)) < len(ids):
                raise UsageError(f"suite {name}: needs problems, each with an id of its own")
        if not found:
            raise UsageError("there is no suite to compare on")
        return dict(found)
    names = [suites] if isinstance(suites, str) else list(suites)
    if wrong := next((name for name in names if not isinstance(name, str)), None):
        raise UsageError(
            f"suites are names, not {wrong!r:.60}; give your own as {{name: problems}}"
        )
    if not names:
        raise UsageError("there is no suite to compare on")
    return select_all(
        names, None if path is None else str(path), COUNT if count is None else count, first or 0
    )


def _digest(suites: Mapping[str, Sequence[Problem]]) -> str:
    """Short digest of everything that the problems say."""
    text = json.dumps([p.model_dump(mode="json") for own in suites.values() for p in own])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def header_of(
    suites: Mapping[str, Sequence[Problem]], seeds: int, options: RunOptions
) -> dict[str, object]:
    """What a journal belongs to: attempts under another header are another comparison."""
    return {
        "suites": {name: [p.id for p in problems] for name, problems in suites.items()},
        "seeds": list(range(1, seeds + 1)),
        "options": options.model_dump(mode="json", exclude={"seed", "without", "system"}),
    }


def folder_of(suites: Iterable[str], header: Mapping[str, object]) -> Path:
    """Where attempts are kept unless the user says where: the same arguments go on where they
    stopped, others start anew. Raises StoreError where the runs cannot be written."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()
    return writable_home() / "compare" / f"{'-'.join(suites).replace('/', '-')}-{digest[:6]}"


def setting_of(options: RunOptions, seeds: int) -> dict[str, object]:
    """How a comparison was made, for people."""
    least = options.temperature
    first = f"at temperature {least:g}" if least else "greedy"
    return {
        "budget": f"{options.budget.tokens or 'no limit on'} tokens a problem",
        "seeds": seeds, "backend": options.backend, "model": options.model or "pocket",
        "sampling": f"the first answer {first}, further ones at the fleet's temperature, in all "
        "systems",
    }  # fmt: skip
