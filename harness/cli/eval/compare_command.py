"""``harness eval compare``: systems on the same problems under the same budget."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Flags, model_options

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Suite = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Suite, such as gsm8k; may be repeated. Without one, horizon/16.",
    ),
]
PathOption = Annotated[
    str | None, typer.Option("--path", metavar="FILE", help="File or hub name of a data set.")
]
Count = Annotated[int, typer.Option(help="Problems of each suite.")]
First = Annotated[int, typer.Option(help="Number of the first problem.")]
Seeds = Annotated[int, typer.Option(help="Seeds 1 to N.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Where attempts and reports go.")]
Concurrency = Annotated[int, typer.Option("--max-concurrency", help="Problems at once.")]
Executor = Annotated[
    str, typer.Option(metavar="NAME", help="local, or ray: workers on the nodes of a Ray cluster.")
]
SmallestEffect = Annotated[
    float,
    typer.Option(
        help="Difference in solve rate that counts as a benefit: 0.05 is 5 points. No benefit is said "
        "only where the sample would have shown it and the interval excludes it."
    ),
]
RayAddress = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="A running Ray cluster, or auto.")
]


@model_options()
def compare(
    context: typer.Context,
    suite: Suite = None,
    path: PathOption = None,
    systems: Annotated[
        str, typer.Option(metavar="A,B,…", help="Systems to run, by commas.")
    ] = "direct,cot,best_of_n,repair,ensemble,hierarchy",
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="PART", help="Also the hierarchy without this part; may be repeated."),
    ] = None,
    baseline: Annotated[
        str, typer.Option(help="System that the others are held against.")
    ] = "direct",
    budget_tokens: Annotated[
        int | None, typer.Option(help="Tokens that each system may spend on a problem.")
    ] = None,
    max_calls: Annotated[int | None, typer.Option(help="Calls, likewise.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Least temperature of every sample, in all systems.")
    ] = None,
    count: Count = 20,
    first: First = 0,
    seeds: Seeds = 1,
    specialist: Annotated[
        str | None, typer.Option(metavar="NAME", help="Baselines ask this specialist.")
    ] = None,
    smallest_effect: SmallestEffect = 0.05,
    out: Out = None,
    max_concurrency: Concurrency = 4,
    executor: Executor = "local",
    ray_address: RayAddress = None,
    as_json: Json = False,
    *,
    flags: Flags,
) -> None:
    """Run systems on the same problems under the same budget, and say which is better."""
    from eval.compare.analysis import analyse, check_effect
    from eval.compare.comparison import Attempt, Journal, sweep, word
    from eval.selection import select_all
    from harness import settings
    from harness.cli.eval.present import present
    from harness.cli.eval.sweeping import attend, kept, noting, same_command
    from harness.comparing import folder_of, header_of, setting_of
    from harness.executors import open_executor
    from harness.sweep import WITHOUT, check_systems
    from state.errors import UsageError

    for name, given in (("--seeds", seeds), ("--max-concurrency", max_concurrency)):
        if given < 1:
            raise UsageError(f"{name}: at least 1, not {given}")
    check_effect(smallest_effect)
    if budget_tokens is not None and budget_tokens < 1:
        raise UsageError(f"--budget-tokens: at least 1, not {budget_tokens}")
    chosen = [s.strip() for s in systems.split(",") if s.strip()]
    chosen += [WITHOUT + part for part in without or ()]
    check_systems(chosen)
    suites = select_all(suite or ["horizon/16"], path, count, first)
    limits = {
        "max_tokens": budget_tokens, "max_calls": max_calls, "temperature": temperature
    }  # fmt: skip
    options = settings.load({**flags, **limits}).options()
    if baseline not in chosen:
        raise UsageError(f"--baseline {baseline} is not among the systems: {', '.join(chosen)}")
    options = options.model_copy(update={"specialist": specialist})
    header = header_of(suites, seeds, options)
    folder = out or folder_of(suites, header)

    made = 0
    wanted = sum(map(len, suites.values())) * len(chosen) * seeds

    def tell(attempt: Attempt, done: int, of: int) -> None:
        nonlocal made
        made = done
        line = (
            f"{done}/{of} {attempt.system} {attempt.problem} seed {attempt.seed}: {word(attempt)}"
        )
        print(f"{line}, {attempt.tokens} tokens", file=sys.stderr, flush=True)

    async def work() -> list[Attempt]:
        nonlocal made
        async with open_executor(
            executor, options, suites, address=ray_address, concurrency=max_concurrency
        ) as solve:
            # Created only now, so that a comparison that cannot run leaves no journal.
            journal = Journal(folder / "attempts.jsonl", header)
            made = sum(key[1] in chosen and not journal.to_make(key) for key in journal.attempts)
            return await sweep(
                suites, chosen, range(1, seeds + 1), solve, journal,
                concurrency=max_concurrency, on_attempt=tell,
            )  # fmt: skip

    attempts = attend(work, context, lambda: kept(made, wanted))
    if lost := sum(a.lost == "answer" for a in attempts):
        again = f"the same command makes them again: {same_command(context)}"
        print(f"{lost} of {wanted} attempts were lost; {again}", file=sys.stderr)
    found = analyse(attempts, chosen, baseline, smallest_effect)
    with noting(context):
        present(found, setting_of(options, seeds), smallest_effect, folder, as_json=as_json)
