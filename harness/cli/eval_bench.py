"""``harness eval bench``: a named set of suites, held against a stored baseline."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Flags, model_options

if TYPE_CHECKING:
    from eval.comparison import Attempt


@model_options()
def bench(
    name: Annotated[str, typer.Argument(metavar="SET", help="quick, pocket or general.")] = "quick",
    count: Annotated[
        int | None, typer.Option(help="Problems of each suite, instead of the set's own number.")
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Default: bench/SET.json in the runs folder."),
    ] = None,
    save: Annotated[bool, typer.Option("--save", help="Store the result as the baseline.")] = False,
    max_concurrency: Annotated[
        int, typer.Option("--max-concurrency", help="Problems at once.")
    ] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    *,
    flags: Flags,
) -> None:
    """Run a set of suites with the hierarchy, and say what changed since the baseline.

    Exit code 1 where a suite got worse.
    """
    from rich.table import Table
    from rich.text import Text

    from eval.bench import SETS, Record, changes, read_record
    from eval.comparison import Journal, sweep
    from eval.selection import select
    from harness import settings
    from harness.sweep import HIERARCHY, open_solver
    from harness.view import console
    from state.errors import UsageError
    from state.home import writable_home

    if name not in SETS:
        raise UsageError(f"no set {name!r}; sets: {', '.join(SETS)}")
    if max_concurrency < 1:
        raise UsageError("--max-concurrency: at least 1")
    suites = {suite: select(suite, None, count or own) for suite, own in SETS[name]}
    file = baseline or writable_home() / "bench" / f"{name}.json"
    before = read_record(file)
    options = settings.load(flags).options()
    header: dict[str, object] = {
        "suites": {suite: [p.id for p in problems] for suite, problems in suites.items()},
        "options": options.model_dump(mode="json"),
    }
    journal_file = writable_home() / "bench" / f"{name}.attempts.jsonl"
    journal = Journal(journal_file, header)

    def tell(attempt: Attempt, done: int, of: int) -> None:
        word = "solved" if attempt.solved else "not solved"
        print(f"{done}/{of} {attempt.problem}: {word}", file=sys.stderr, flush=True)

    async def work() -> tuple[list[Attempt], str]:
        async with open_solver(options, suites) as solve:
            attempts = await sweep(
                suites, [HIERARCHY], [options.seed], solve, journal,
                concurrency=max_concurrency, on_attempt=tell,
            )  # fmt: skip
            return attempts, options.model or "pocket"

    attempts, model = asyncio.run(work())
    journal_file.unlink()  # it is there to go on with, and this bench is finished
    record = Record(name=name, model=model, attempts=tuple(attempts))
    found = changes(record, None if save else before)
    if save or before is None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(record.model_dump_json() + "\n", "utf-8")
    if as_json:
        print(json.dumps([{**c.model_dump(), "verdict": c.verdict} for c in found]))
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("suite", "problems", "solved", "before", "gained", "lost", "p", "verdict"):
            table.add_column(title)
        for c in found:
            was = "-" if c.before is None else f"{c.before:.1%}"
            p = "-" if c.p is None else f"{c.p:.2g}"
            cells = (c.suite, str(c.problems), f"{c.now:.1%}", was, str(len(c.gained)),
                     str(len(c.lost)), p, c.verdict)  # fmt: skip
            table.add_row(*(Text(cell) for cell in cells))
        console().print(table)
        if save or before is None:
            console().print(f"baseline written to {file}", soft_wrap=True)
    raise typer.Exit(1 if any(c.verdict == "worse" for c in found) else 0)
