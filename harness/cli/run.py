"""``harness run`` and ``harness resume``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import ApiKey, BaseUrl, Flags, Json, Model, model_options

if TYPE_CHECKING:
    from harness.report import RunReport

LIMITS, ROUTING = "Limits of the run", "Who does what"
MEMORY = "Memory of earlier work"
SCORERS = "embedding, loss_probe, loss_probe_raw, abstention, learned or posterior."
MODES = "winner_take_all, probabilistic, ensemble, cascade or adaptive."

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


@model_options()
def run(
    given: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROBLEM]",
            show_default=False,
            help="A number of the default suite, suite/id, a .yaml or .json file, the text of a "
            "task in quotes, or - for text on the standard input.",
        ),
    ] = None,
    *,
    flags: Flags,
    problem: Annotated[
        str | None,
        typer.Option("--problem", "-p", metavar="P", show_default=False, help="The same."),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(metavar="auto|direct|plan", help="Ask once, decompose, or climb (auto)."),
    ] = None,
    specialist: Annotated[
        str | None, typer.Option(metavar="NAME", help="Send every step to this specialist.")
    ] = None,
    scorer: Annotated[
        str | None, typer.Option(metavar="S", rich_help_panel=ROUTING, help=SCORERS)
    ] = None,
    routing_mode: Annotated[
        str | None, typer.Option(metavar="M", rich_help_panel=ROUTING, help=MODES)
    ] = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", rich_help_panel=ROUTING, help="Show who was chosen, and why."),
    ] = False,
    approve: Annotated[
        str | None, typer.Option(metavar="plan", help="Pause for your yes after planning.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every sample.")] = None,
    temperature: Annotated[
        float | None, typer.Option(metavar="T", help="Least temperature of every sample.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    max_tokens: Annotated[
        int | None, typer.Option(rich_help_panel=LIMITS, help="Prompts and answers together.")
    ] = None,
    max_calls: Annotated[
        int | None, typer.Option(rich_help_panel=LIMITS, help="Model calls.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", rich_help_panel=LIMITS, help="Seconds of work.")
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(metavar="D", rich_help_panel=LIMITS, help="US dollars, by your prices."),
    ] = None,
    packs: Annotated[
        str | None,
        typer.Option(
            metavar="on|off|recency", rich_help_panel=MEMORY, help="Context packs for chat models."
        ),
    ] = None,
    routines: Annotated[
        bool | None,
        typer.Option(
            "--routines/--no-routines", rich_help_panel=MEMORY, help="Try first what worked before."
        ),
    ] = None,
    insights: Annotated[
        bool | None,
        typer.Option(
            "--insights/--no-insights", rich_help_panel=MEMORY, help="Learn which remedy fits."
        ),
    ] = None,
    decay: Annotated[
        bool | None,
        typer.Option(
            "--decay/--no-decay", rich_help_panel=MEMORY, help="Let what was expected fade."
        ),
    ] = None,
) -> None:
    """Solve a problem, and say how sure the answer is."""
    from eval import load_problem
    from harness import settings
    from harness.cli.interactive import drive, follow
    from harness.ui.console import console
    from harness.ui.live_view import choose_view
    from harness.ui.routing_table import print_routing, routing_rows

    asked_for = {
        **flags, "strategy": strategy, "specialist": specialist, "approve": approve, "seed": seed,
        "temperature": temperature, "scorer": scorer, "routing_mode": routing_mode,
        "max_tokens": max_tokens, "max_calls": max_calls, "timeout": timeout, "max_cost": max_cost,
        "packs": packs, "routines": routines, "insights": insights, "decay": decay,
    }  # fmt: skip
    options = settings.load(asked_for).options()
    asked = load_problem(_only(given, problem), sys.stdin)
    view = choose_view(options.budget, quiet=quiet, as_json=as_json)

    async def work(stop: Any) -> RunReport:
        from harness import engine

        return await engine.start(asked, options, view, stop=stop)

    report = drive(work, view)
    try:
        follow(report, view, options.api_key, as_json=as_json, quiet=quiet)
    finally:
        if explain:
            print_routing(console(stderr=as_json), routing_rows(report.run_id))


def _only(given: str | None, problem: str | None) -> str:
    """The problem, given as an argument or as ``--problem``. Raises UsageError for both or
    neither."""
    from eval.loading import FORMS
    from state.errors import UsageError

    if given is not None and problem is not None:
        raise UsageError(f"the problem is given twice, {given!r} and --problem {problem!r}")
    only = given if problem is None else problem
    if only is None:
        raise UsageError(f"which problem? Give {FORMS}")
    return only


def resume(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id, or its unique beginning.")],
    approve: Annotated[
        str | None,
        typer.Option(metavar="yes|no|edit", help="Your answer to a plan that waits for it."),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The plan as you want it; says yes to it."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    model: Model = None,
) -> None:
    """Go on with a run that was interrupted or waits for your yes; nothing is paid twice."""
    from harness import settings
    from harness.cli.interactive import drive, follow, read_answer
    from harness.ui.live_view import choose_view
    from harness.ui.run_records import budget_of, progress_of, recorded_run

    answer = read_answer(approve, plan)
    recorded = recorded_run(run_id)
    key = api_key or settings.load().api_key
    view = choose_view(budget_of(recorded), progress_of(recorded), quiet=quiet, as_json=as_json)
    to_edit = answer is not None and answer["decision"] == "edit" and answer["plan"] is None

    async def work(stop: Any) -> RunReport:
        from harness import engine

        first = None if to_edit else answer
        return await engine.resume(
            recorded.id, view, stop=stop, approval=first, api_key=key, base_url=base_url,
            model=model,
        )  # fmt: skip

    report = drive(work, view, recorded.id)
    follow(report, view, key, as_json=as_json, quiet=quiet, edit=to_edit)
