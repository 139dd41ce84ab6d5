"""``harness bench``: measures routing on recorded answers and on the fleet."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.look import Json, help_alone
from harness.cli.options import Flags, model_options

if TYPE_CHECKING:
    from eval.routing.recorded_answers import Ground

bench = typer.Typer(help="Measure routing.")
bench.callback(invoke_without_command=True)(help_alone)

Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder for the Markdown, JSON and plot. Default: benchmarks in the runs folder.",
    ),
]
RECORDED = ("humaneval", "gsm8k")
FILES = "humaneval_model_answers.jsonl and gsm8k_model_answers.jsonl"
GROUNDS = (*RECORDED, "pocket")


def chosen(words: str | None, known: tuple[str, ...], flag: str) -> list[str]:
    """The members of a comma-separated list. Raises UsageError for one that is not known."""
    from state.errors import UsageError

    names = [w.strip() for w in (words or ",".join(known)).split(",") if w.strip()]
    for name in names:
        if name not in known:
            raise UsageError(f"{flag}: should be of {', '.join(known)}, not {name!r}")
    return names


def data_folder(given: Path | None) -> Path | None:
    """The folder of the recorded answers: the option, or HARNESS_SHARED_DATA; ``None`` without
    either.

    Raises UsageError for a missing folder.
    """
    from state.errors import UsageError

    named = os.environ.get("HARNESS_SHARED_DATA")
    folder = given or (Path(named) if named else None)
    if folder is not None and not folder.is_dir():
        flag = "--data" if given else "HARNESS_SHARED_DATA"
        raise UsageError(f"{flag}: there is no folder {folder}; it should hold {FILES}")
    return folder


def grounds(wanted: str | None, folder: Path | None) -> list[str]:
    """The grounds to measure: the named ones, else all for which there is data. Raises
    UsageError."""
    from state.errors import UsageError

    names = chosen(wanted, GROUNDS, "--ground")
    without = [n for n in names if n in RECORDED and folder is None]
    if without and wanted is not None:
        raise UsageError(
            f"--ground {without[0]} needs --data DIR (or HARNESS_SHARED_DATA), a folder with {FILES}"
        )
    if without:
        print(
            f"left out: {', '.join(without)}, which need --data DIR, a folder with {FILES}",
            file=sys.stderr,
        )
    return [n for n in names if n not in without]


def show(lines: Sequence[str]) -> None:
    """Print Markdown: rendered on a terminal, unchanged elsewhere."""
    from rich.markdown import Markdown

    from harness.ui.console import console

    screen, text = console(), "\n".join(lines)
    if screen.is_terminal:
        screen.print(Markdown(text))
    else:
        print(text)


@bench.command("routing")
@model_options("record")
def routing(
    ground: Annotated[
        str | None,
        typer.Option(
            metavar="G",
            help="Of humaneval, gsm8k (both need --data), pocket; all by default.",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the recorded answers.")
    ] = None,
    out: Out = None,
    tasks: Annotated[int, typer.Option(help="Tasks a domain on the pocket ground.")] = 40,
    runs: Annotated[int, typer.Option(help="Runs a model on humaneval, up to 10.")] = 10,
    seed: Annotated[int, typer.Option(help="Of folds and resampling.")] = 0,
    as_json: Json = False,
    *,
    flags: Flags,
) -> None:
    """Cost-quality curves, APGR, CPT and regret of every policy beside its references.

    The first time, public examples of the HumanEval answers run in the sandbox. Grounds measured
    before stay in the file of figures until they are measured again.
    """
    from eval.routing import routing_report
    from eval.routing.bench_recorded import measure
    from specialists.routing import Embedder
    from state import writable_home

    folder = data_folder(data)
    names = grounds(ground, folder)
    out = out or writable_home() / "benchmarks"
    whole = routing_report.read(out / "routing")
    recorded = {str(made["ground"]): made for made in whole.get("recorded", ())}
    if folder is not None:
        for name in [n for n in RECORDED if n in names]:
            ground_truth = _recorded(name, folder, writable_home() / "bench", runs)
            embedded = Embedder().embed(ground_truth.tasks)
            recorded[name] = measure(ground_truth, embedded, seed=seed)
    whole["recorded"] = [recorded[name] for name in RECORDED if name in recorded]
    if "pocket" in names:
        whole["pocket"] = asyncio.run(_pocket(tasks, seed, flags))
    lines = ["# Routing, measured", ""]
    for made in whole["recorded"]:
        lines += routing_report.recorded_lines(made)
    if "pocket" in whole:
        lines += routing_report.pocket_lines(whole["pocket"])
    routing_report.write(out / "routing", whole, lines)
    if whole["recorded"]:
        routing_report.plot_curves(whole["recorded"], out / "routing.png")
    if as_json:
        print(json.dumps(whole))
    else:
        show(lines)


def _recorded(name: str, folder: Path, cache: Path, runs: int) -> Ground:
    from eval.routing.recorded_answers import gsm8k, humaneval
    from eval.validators import validators

    if name == "gsm8k":
        return gsm8k(folder)
    file = cache / "humaneval_public.jsonl"
    return asyncio.run(humaneval(folder, validators(), file, runs=runs))


async def _pocket(tasks: int, seed: int, flags: Flags) -> dict[str, object]:
    from eval.routing.pocket import measure
    from eval.validators import validators
    from harness import settings
    from harness.routing import routed
    from harness.wiring import open_backend

    backend, cards = await open_backend(settings.load(flags).options())
    try:
        return await measure(backend, routed(cards), validators(), tasks=tasks, seed=seed)
    finally:
        await backend.close()
