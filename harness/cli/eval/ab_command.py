"""``harness eval ab``: two settings files on the same problems, with a verdict."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Flags, model_options

if TYPE_CHECKING:
    from harness.report import RunOptions


@model_options("record")
def ab(
    context: typer.Context,
    a: Annotated[Path, typer.Argument(metavar="A.toml", help="Settings, as in harness.toml.")],
    b: Annotated[Path, typer.Argument(metavar="B.toml", help="The other settings.")],
    suite: Annotated[str, typer.Option(metavar="NAME", help="Suite or data set.")] = "horizon/16",
    path: Annotated[
        str | None, typer.Option("--path", metavar="FILE", help="File or hub name of a data set.")
    ] = None,
    count: Annotated[int, typer.Option(help="Most problems.")] = 100,
    first: Annotated[int, typer.Option(help="Number of the first problem.")] = 0,
    effect: Annotated[
        float, typer.Option(help="Difference in solve rate that you want to find.")
    ] = 0.1,
    alpha: Annotated[float, typer.Option(help="Chance of a wrong verdict.")] = 0.05,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    *,
    flags: Flags,
) -> None:
    """Test two variants, stopping as soon as the evidence decides; peeking does no harm.

    Attempts are kept: the same command goes on where it stopped.
    """
    from eval.compare.attempts import Journal
    from eval.compare.variants import Standing, plan, trial
    from eval.selection import select
    from harness.cli.eval.sweeping import attend
    from harness.sweep import open_variants
    from state.errors import BackendUnavailable, UsageError
    from state.home import writable_home

    if not 0 < alpha < 1:
        raise UsageError(f"--alpha: should lie between 0 and 1, not {alpha:g}")
    options = {"a": _options(a, flags), "b": _options(b, flags)}
    if options["a"] == options["b"]:
        raise UsageError(f"{a} and {b} hold the same settings: nothing to test")
    problems = select(suite, path, count, first)
    planned = plan(effect, alpha=alpha)
    print(planned.words, file=sys.stderr, flush=True)
    if count < planned.sequential:
        print(f"{count} problems may not be enough", file=sys.stderr, flush=True)

    header: dict[str, object] = {
        "suite": suite, "path": path,
        "options": {name: own.model_dump(mode="json") for name, own in options.items()},
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()[:6]
    journal = Journal(writable_home() / "ab" / f"{digest}.attempts.jsonl", header)
    seen = 0

    def tell(standing: Standing) -> None:
        nonlocal seen
        seen = standing.problems
        print(standing.words, file=sys.stderr, flush=True)

    def lost(problem: str, reason: str) -> None:
        print(f"{problem} is left out: {reason}", file=sys.stderr, flush=True)

    async def work() -> Standing | None:
        async with open_variants(suite, problems, options, journal) as attempt:
            return await trial(problems, attempt, alpha=alpha, on_standing=tell, on_lost=lost)

    def kept() -> str:
        return f"{seen} problems are done and kept, what was under way is not counted"

    standing = attend(work, context, kept)
    if standing is None:
        raise BackendUnavailable(
            f"all {len(problems)} problems were lost: there is nothing to test"
        )
    if as_json:
        print(json.dumps({"plan": planned.model_dump(), **standing.model_dump()}))
    else:
        print(f"A is {a}, B is {b}\n{standing.words}")


def _options(file: Path, flags: Flags) -> RunOptions:
    from harness import settings
    from state.errors import UsageError

    if not file.is_file():
        raise UsageError(f"{file}: no such settings file")
    given = {name: value for name, value in flags.items() if value is not None}
    return settings.load({**settings.read_file(file), **given}).options()
