"""Run a problem and resume a run from Python: what ``harness run`` and ``harness resume`` do.

``docs/python.md`` shows how. Comparisons are in :mod:`harness.comparing`.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, Unpack

from eval.problems import Problem
from eval.schema import problem_from
from harness.arguments import RunArguments
from harness.report import Event, Observer, RunReport
from state.errors import HarnessError, UsageError

Result = TypeVar("Result")
ProblemLike: TypeAlias = Problem | Mapping[str, Any] | str | int | Path
"""A problem, its fields, or what names one on the command line."""


def load_problem(source: ProblemLike) -> Problem:
    """The problem that ``source`` is or names.

    A number is a problem of the default suite, ``"suite/id"`` one of a suite, a path a YAML or JSON
    file, a mapping the fields of a problem, and any other text the problem itself. The specs of its
    checks are examined. Raises UsageError, one line that says what is wrong and where.
    """
    from eval import load_problem as load

    if isinstance(source, Problem):
        fields = source.model_dump()
        for group in ("public_checks", "hidden_checks"):
            fields[group] = list(fields[group])
        return problem_from(fields, f"problem {source.id}", source.id)
    if isinstance(source, Mapping):
        return problem_from(dict(source), "problem", "problem")
    if isinstance(source, bool) or not isinstance(source, str | int | Path):
        raise UsageError(
            f"a problem is a Problem, a mapping, a number, a path or a text, not {source!r:.60}"
        )
    if source == "-":
        raise UsageError("problem -: only the command line reads standard input; give the text")
    return load(str(source), io.StringIO())


async def run_async(
    problem: ProblemLike,
    *,
    on_event: Observer | None = None,
    **options: Unpack[RunArguments],
) -> RunReport:
    """Solve a problem; see :func:`load_problem` for what names one.

    ``on_event`` is called with each :class:`harness.report.Event` while the run goes on. A wrong
    answer and a spent budget are verdicts of the report. Raises UsageError for a wrong problem or
    setting and SetupError where the machine or the endpoint lacks something, both HarnessError. When
    the task is cancelled, the run is saved, so that :func:`resume_async` can go on with it.
    """
    from harness import settings

    made = settings.load(options, as_flags=False).options()
    asked = await asyncio.to_thread(load_problem, problem)
    with _naming_the_run(on_event) as observer:
        from harness import engine

        return _unless_cancelled(await engine.start(asked, made, observer, stop=asyncio.Event()))


async def resume_async(
    run_id: str,
    *,
    approve: Literal["yes", "no"] | None = None,
    plan: str | None = None,
    on_event: Observer | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    model: str | None = None,
) -> RunReport:
    """Go on with a run that was interrupted or waits for approval; a finished one is reported again.

    ``run_id`` may be shortened as long as it stays unique. ``approve`` answers a plan that waits,
    ``plan`` is the plan as you want it, in the YAML of the ``approval`` event. ``base_url`` and
    ``model`` replace those of an endpoint. No model call that has completed is made again. Raises
    UsageError for an unknown run, one that another process works on, or an answer to a plan that
    does not wait for one; otherwise like :func:`run_async`.
    """
    from harness import settings

    key = api_key or settings.load().api_key
    answer = _answer(approve, plan)
    with _naming_the_run(on_event) as observer:
        from harness import engine

        report = await engine.resume(
            _whole_id(run_id), observer, stop=asyncio.Event(), approval=answer, api_key=key,
            base_url=base_url, model=model,
        )  # fmt: skip
        return _unless_cancelled(report)


def run(
    problem: ProblemLike,
    *,
    on_event: Observer | None = None,
    **options: Unpack[RunArguments],
) -> RunReport:
    """Like :func:`run_async`, for code without an event loop.

    Ctrl-C saves the run and raises KeyboardInterrupt with a note that names it.
    """
    return in_a_loop("run", lambda: run_async(problem, on_event=on_event, **options))


def resume(
    run_id: str,
    *,
    approve: Literal["yes", "no"] | None = None,
    plan: str | None = None,
    on_event: Observer | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    model: str | None = None,
) -> RunReport:
    """Like :func:`resume_async`, for code without an event loop."""
    return in_a_loop(
        "resume",
        lambda: resume_async(
            run_id, approve=approve, plan=plan, on_event=on_event, api_key=api_key,
            base_url=base_url, model=model,
        ),
    )  # fmt: skip


def in_a_loop(name: str, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Do ``work`` in an event loop of its own. Raises UsageError inside a running one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise UsageError(
            f"harness.{name} was called inside a running event loop, as in a notebook: "
            f"await harness.{name}_async instead"
        )
    try:
        return asyncio.run(work())
    except KeyboardInterrupt as stopped:
        # asyncio raises it anew, from the cancellation that carries the note.
        for note in getattr(stopped.__context__, "__notes__", ()):
            stopped.add_note(note)
        raise


@contextlib.contextmanager
def _naming_the_run(on_event: Observer | None) -> Iterator[Observer]:
    """An observer that learns the run's id, so that an error carries a note of how to go on."""
    run_id = ""

    def observe(event: Event) -> None:
        nonlocal run_id
        if event.kind == "start":
            run_id = str(event.data["run_id"])
        if on_event is not None:
            on_event(event)

    try:
        yield observe
    except (HarnessError, asyncio.CancelledError, KeyboardInterrupt) as error:
        if run_id and not isinstance(error, UsageError):
            error.add_note(f"the run is saved; go on with harness.resume({run_id!r})")
        raise


def _unless_cancelled(report: RunReport) -> RunReport:
    """The report, unless the run ended because its task was cancelled.

    The engine saves a cancelled run and reports it as interrupted; whoever cancelled the task, a
    timeout or Ctrl-C, still has to see the cancellation. Raises CancelledError.
    """
    task = asyncio.current_task()
    if report.status == "interrupted" and task is not None and task.cancelling():
        raise asyncio.CancelledError
    return report


def _answer(approve: str | None, plan: str | None) -> dict[str, Any] | None:
    """A person's answer to a plan as the engine takes it. Raises UsageError."""
    if approve not in (None, "yes", "no"):
        raise UsageError(f"approve: should be 'yes' or 'no', not {approve!r}")
    if plan is None:
        return None if approve is None else {"decision": approve, "plan": None}
    if approve == "no":
        raise UsageError("approve='no' refuses the plan, plan= replaces it: give one of them")
    if not plan.strip():
        raise UsageError("plan: is empty")
    return {"decision": "edit", "plan": plan}


def _whole_id(run_id: str) -> str:
    """The id of a recorded run from the start of it; makes no store. Raises UsageError."""
    from state import Runs
    from state.opening import existing

    with existing() as store:
        if store is None:
            raise UsageError(f"unknown run id {run_id!r}: there are no runs here yet")
        return Runs(store).get(run_id).id
