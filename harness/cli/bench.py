"""``harness bench``: measure routing, on recorded answers, on the fleet, and its own cost."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.look import Json, help_alone
from harness.cli.options import Flags, model_options

if TYPE_CHECKING:
    from eval.routing.recorded import Ground

bench = typer.Typer(help="Measure routing.")
bench.callback(invoke_without_command=True)(help_alone)

Out = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder for the Markdown, JSON and plot.")
]  # fmt: skip
BENCHMARKS = Path("docs/benchmarks")
RECORDED = ("humaneval", "gsm8k")
GROUNDS = (*RECORDED, "pocket", "split")
DEVICES = ("cpu", "cuda")
PARTS = ("tokens", "requests", "moe")


def chosen(words: str | None, known: tuple[str, ...], flag: str) -> list[str]:
    """The members of a comma-separated list. Raises UsageError for one that is not known."""
    from state.errors import UsageError

    names = [w.strip() for w in (words or ",".join(known)).split(",") if w.strip()]
    for name in names:
        if name not in known:
            raise UsageError(f"{flag}: should be of {', '.join(known)}, not {name!r}")
    return names


def data_folder(given: Path | None) -> Path:
    """Where the recorded answers are: the flag, or HARNESS_SHARED_DATA. Raises UsageError."""
    from state.errors import UsageError

    folder = given or Path(os.environ.get("HARNESS_SHARED_DATA") or "../shared/data")
    if not folder.is_dir():
        raise UsageError(
            f"--data: there is no folder {folder}; it holds humaneval_model_answers.jsonl and "
            "gsm8k_model_answers.jsonl (or set HARNESS_SHARED_DATA)"
        )
    return folder


@bench.command("routing")
@model_options("record")
def routing(
    ground: Annotated[
        str | None,
        typer.Option(metavar="G", help="Of humaneval, gsm8k, pocket, split; all by default."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the recorded answers.")
    ] = None,
    out: Out = BENCHMARKS,
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
    from eval.routing import report
    from eval.routing.bench_recorded import measure
    from specialists.routing import Embedder
    from state import writable_home

    names = chosen(ground, GROUNDS, "--ground")
    whole = report.read(out / "routing")
    recorded = {str(made["ground"]): made for made in whole.get("recorded", ())}
    for name in [n for n in names if n in RECORDED]:
        ground_truth = _recorded(name, data_folder(data), writable_home() / "bench", runs)
        recorded[name] = measure(ground_truth, Embedder().embed(ground_truth.tasks), seed=seed)
    whole["recorded"] = [recorded[name] for name in RECORDED if name in recorded]
    if "pocket" in names:
        whole["pocket"] = asyncio.run(_pocket(tasks, seed, flags))
    if "split" in names:
        from eval.routing.splitting import measure as measure_split

        whole["split"] = measure_split(seed=seed)
    lines = ["# Routing, measured", ""]
    for made in whole["recorded"]:
        lines += report.recorded_lines(made)
    if "pocket" in whole:
        lines += report.pocket_lines(whole["pocket"])
    if "split" in whole:
        lines += report.split_lines(whole["split"])
    report.write(out / "routing", whole, lines)
    if whole["recorded"]:
        report.plot_curves(whole["recorded"], out / "routing.png")
    print(json.dumps(whole) if as_json else "\n".join(lines))


def _recorded(name: str, folder: Path, cache: Path, runs: int) -> Ground:
    from eval.routing.recorded import gsm8k, humaneval
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


@bench.command("var")
@model_options("record")
def var(
    part: Annotated[
        str | None, typer.Option(metavar="P", help="Of tokens, requests, moe; all by default.")
    ] = None,
    out: Out = BENCHMARKS,
    seeds: Annotated[int, typer.Option(help="Seeds of the token benchmark.")] = 3,
    requests: Annotated[int, typer.Option(help="Requests to train on, and to route.")] = 600,
    steps: Annotated[int, typer.Option(help="Training batches of the mixture of experts.")] = 600,
    device: Annotated[str, typer.Option(help="cpu or cuda, for the mixture of experts.")] = "cpu",
    as_json: Json = False,
    *,
    flags: Flags,
) -> None:
    """The adaptive router: the token benchmark, whole requests, and a real mixture of experts.

    Parts measured before stay in the file of figures until they are measured again.
    """
    import torch

    from eval.routing import report
    from eval.routing.report_var import var_lines
    from state.errors import SetupError, UsageError

    if device not in DEVICES:
        raise UsageError(f"--device: should be {' or '.join(DEVICES)}, not {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise SetupError("--device cuda: PyTorch sees no CUDA device here")
    names = chosen(part, PARTS, "--part")
    whole = report.read(out / "var")
    if "tokens" in names:
        from eval.routing import tokens

        whole["tokens"] = tokens.measure(seeds)
    if "requests" in names:
        whole["requests"] = asyncio.run(_requests(requests, flags))
    if "moe" in names:
        from eval.routing import moe

        whole["moe"] = moe.measure(steps, device=device, log=lambda s: typer.echo(s, err=True))
    lines = var_lines(whole)
    report.write(out / "var", whole, lines)
    print(json.dumps(whole) if as_json else "\n".join(lines))


async def _requests(count: int, flags: Flags) -> list[dict[str, Any]]:
    from eval.routing.requests import measure
    from harness import settings
    from harness.routing import routed
    from harness.wiring import open_backend

    backend, cards = await open_backend(settings.load(flags).options())
    try:
        return await measure(backend, routed(cards), train=count, test=count)
    finally:
        await backend.close()
