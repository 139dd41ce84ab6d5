"""``harness eval ab``: two settings files on the same problems, with a verdict."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import Flags, model_options

if TYPE_CHECKING:
    from eval.problems import Problem
    from eval.variants import Standing
    from harness.report import RunOptions


@model_options("record")
def ab(
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
    """Test two variants, stopping as soon as the evidence decides; peeking does no harm."""
    from eval.selection import select
    from eval.variants import plan, trial
    from state.errors import UsageError

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

    def tell(standing: Standing) -> None:
        print(standing.words, file=sys.stderr, flush=True)

    async def work() -> Standing:
        from harness import engine, wiring

        fleets: dict[str, Any] = {}
        try:
            for name, own in options.items():
                fleets[name] = await wiring.open_backend(own)

            async def solved(name: str, problem: Problem) -> bool:
                report = await engine.start(
                    problem, options[name], lambda event: None, stop=asyncio.Event(),
                    fleet=fleets[name],
                )  # fmt: skip
                return report.reference_match is True

            return await trial(problems, solved, alpha=alpha, on_standing=tell)
        finally:
            for backend, _ in fleets.values():
                await backend.close()

    standing = asyncio.run(work())
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
