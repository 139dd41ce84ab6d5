"""``harness eval cost``: how the tokens, seconds and dollars of runs were spent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def cost(
    run: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN", help="Run to add up; may be repeated. Default: the latest."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many of the latest runs.")] = 200,
    prices: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help='TOML: "model" = \\[prompt, completion], $ per million.'),
    ] = None,
    gpu_hour: Annotated[
        float | None, typer.Option(metavar="D", help="Price calls by time: dollars an hour.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with plots.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Add up what runs cost, by tier, specialist, problem and run, and what was wasted."""
    from eval.cost import GROUPS, NOTHING, Prices, costs, read_prices, rows
    from harness.ui.text_tables import Column, say, show
    from state import Runs, home
    from state.errors import UsageError
    from state.opening import existing

    if limit < 1:
        raise UsageError(f"--limit: should be greater than 0, not {limit}")
    if prices is not None and gpu_hour is not None:
        raise UsageError("--prices and --gpu-hour price the same calls: give one of them")
    if gpu_hour is not None and gpu_hour < 0:
        raise UsageError(f"--gpu-hour: should be at least 0, not {gpu_hour:g}")
    table = read_prices(prices) if prices else Prices(gpu_hour=gpu_hour)
    with existing() as store:
        if store is None:
            if run:
                raise UsageError(f"unknown run id {run[0]!r}: no run has been recorded in {home()}")
            report = NOTHING
        else:
            records = Runs(store)
            runs = [records.get(id) for id in run] if run else records.list(limit=limit)
            report = costs(store, runs, table)
    header = ("", "calls", "tokens", "wasted", "seconds", "dollars")
    if html is not None:
        from eval import figures
        from eval.pages import page

        groups = []
        for group in GROUPS:
            sums = report.by[group]
            tokens = {name: float(s.tokens) for name, s in list(sums.items())[:20]}
            groups.append((figures.bars(tokens, f"tokens by {group}", "tokens"), rows(sums)))
        total = rows({"all": report.total})
        html.write_text(page("cost", titles=header, total=total, groups=groups), "utf-8")
    if as_json:
        print(report.model_dump_json())
        return
    if not report.total.calls:
        typer.echo(f"no model call in {report.runs} runs: nothing to add up")
        return
    ranks = {"wasted": 2, "seconds": 1}
    columns = [Column(n, rank=ranks.get(n, 0), right=bool(n)) for n in header]
    for title, cells in [
        (f"all {report.runs} runs", rows({"all": report.total})),
        *((f"by {group}", rows(report.by[group])[:20]) for group in GROUPS),
    ]:
        columns[0] = Column(title)
        show(columns, [[*row[:-1], row[-1].replace("price unknown", "-")] for row in cells])
        typer.echo()
    if report.total.dollars is None:
        say("price unknown: give --prices FILE or --gpu-hour D, or set [prices] for runs")
