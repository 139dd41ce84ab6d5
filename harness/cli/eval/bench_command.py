"""``harness eval bench``: a named set of suites, compared with a stored baseline."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Flags, model_options

if TYPE_CHECKING:
    from eval.compare.stored_baseline import Change
TITLES = ("suite", "problems", "solved", "before", "gained", "lost", "no result", "p", "verdict")
RANKS = {"no result": 2, "p": 1}
"""Columns that a narrow terminal omits, the highest rank first."""


@model_options()
def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="SET", help="quick, pocket or general.")] = "quick",
    count: Annotated[
        int | None, typer.Option(help="Problems of each suite, instead of the set's own number.")
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Default: bench/SET.json in the runs folder."),
    ] = None,
    save: Annotated[bool, typer.Option("--save", help="Store the result as the baseline.")] = False,
    smallest_effect: Annotated[
        float, typer.Option(help="Difference in solve rate that counts as a change.")
    ] = 0.05,
    max_concurrency: Annotated[
        int, typer.Option("--max-concurrency", help="Problems at once.")
    ] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    *,
    flags: Flags,
) -> None:
    """Run a set of suites with the hierarchy, and say what changed since the baseline.

    Only --save stores a baseline. Exit code 1 where a suite got worse.
    """
    from eval.compare.analysis import check_effect
    from eval.compare.comparison import Attempt, Journal, sweep, word
    from eval.compare.stored_baseline import SETS, Record, changes, read_record
    from eval.selection import select
    from harness import settings
    from harness.cli.eval.sweeping import attend, kept, noting
    from harness.files import write_pages
    from harness.sweep import HIERARCHY, open_solver
    from harness.ui.text_tables import Column, say, show
    from state.errors import UsageError
    from state.home import writable_home
    from state.status import Exit

    if name not in SETS:
        raise UsageError(f"no set {name!r}; sets: {', '.join(SETS)}")
    if max_concurrency < 1:
        raise UsageError("--max-concurrency: at least 1")
    check_effect(smallest_effect)
    suites = {
        suite: select(suite, None, own if count is None else count) for suite, own in SETS[name]
    }
    file = baseline or writable_home() / "bench" / f"{name}.json"
    before = read_record(file)
    if baseline is not None and before is None and not save:
        raise UsageError(f"--baseline {baseline}: no such file; --save makes it")
    options = settings.load(flags).options()
    header: dict[str, object] = {
        "suites": {suite: [p.id for p in problems] for suite, problems in suites.items()},
        "options": options.model_dump(mode="json"),
    }
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()[:6]
    kept_in = writable_home() / "bench" / f"{name}-{digest}.attempts.jsonl"
    made, wanted = 0, sum(map(len, suites.values()))

    def tell(attempt: Attempt, done: int, of: int) -> None:
        nonlocal made
        made = done
        print(f"{done}/{of} {attempt.problem}: {word(attempt)}", file=sys.stderr, flush=True)

    async def work() -> list[Attempt]:
        nonlocal made
        async with open_solver(options, suites) as solve:
            # Created only now, so that a bench that cannot run leaves no journal.
            journal = Journal(kept_in, header)
            made = sum(not journal.to_make(key) for key in journal.attempts)
            return await sweep(
                suites, [HIERARCHY], [options.seed], solve, journal,
                concurrency=max_concurrency, on_attempt=tell,
            )  # fmt: skip

    attempts = attend(work, context, lambda: kept(made, wanted))
    record = Record(name=name, model=options.model or "pocket", attempts=tuple(attempts))
    found = changes(record, None if save else before, smallest_effect)
    if save:
        with noting(context):
            write_pages(file.parent, {file.name: record.model_dump_json()})
    if not any(a.lost == "answer" for a in attempts):
        kept_in.unlink()  # The journal only serves to continue a bench, and this one is finished.
    if as_json:
        print(json.dumps([c.model_dump() for c in found]))
    else:
        show([Column(t, rank=RANKS.get(t, 0)) for t in TITLES], [_row(c) for c in found])
        for c in found:
            if c.verdict == "undecided":
                say(_undecided(c, smallest_effect))
        if save:
            typer.echo(f"baseline written to {file}")
        elif before is None:
            say("there is no baseline yet: --save stores this result as one")
    worse = any(c.verdict == "worse" for c in found)
    raise typer.Exit(Exit.UNSOLVED if worse else Exit.DONE)


def _row(c: Change) -> list[str]:
    """The cells of :data:`TITLES`."""
    now, was = ("-" if rate is None else f"{rate:.1%}" for rate in (c.now, c.before))
    p = "-" if c.p is None else f"{c.p:.2g}"
    return [c.suite, str(c.problems), now, was, str(len(c.gained)), str(len(c.lost)),
            str(c.lost_attempts), p, c.verdict]  # fmt: skip


def _undecided(c: Change, smallest_effect: float) -> str:
    return (
        f"{c.suite}: undecided: to tell a change of {100 * smallest_effect:g} points from none, "
        f"{c.problems_needed:,} problems needed, not {c.problems:,}"
    )
