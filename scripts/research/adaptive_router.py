"""Measure the adaptive router: on tokens, on whole requests, and in a real mixture of experts.

    python -m scripts.research.adaptive_router --out docs/benchmarks

The fleet for the part ``requests`` is named as for ``harness run`` (``--backend``, ``--fleet`` …).
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from harness.cli.app import main as run_command
from harness.cli.bench import Out, chosen, show
from harness.cli.options import Flags, Json, model_options

DEVICES = ("cpu", "cuda")
PARTS = ("tokens", "requests", "moe")

app = typer.Typer(add_completion=False)


@app.command()
@model_options("record")
def adaptive_router(
    part: Annotated[
        str | None, typer.Option(metavar="P", help="Of tokens, requests, moe; all by default.")
    ] = None,
    out: Out = None,
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

    from eval.routing import routing_report
    from scripts.research.adaptive_report import var_lines
    from state import writable_home
    from state.errors import SetupError, UsageError

    if device not in DEVICES:
        raise UsageError(f"--device: should be {' or '.join(DEVICES)}, not {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise SetupError("--device cuda: PyTorch sees no CUDA device here")
    names = chosen(part, PARTS, "--part")
    out = out or writable_home() / "benchmarks"
    whole = routing_report.read(out / "var")
    if "tokens" in names:
        from scripts.research import token_routing

        whole["tokens"] = token_routing.measure(seeds)
    if "requests" in names:
        whole["requests"] = asyncio.run(_requests(requests, flags))
    if "moe" in names:
        from scripts.research import mixture_of_experts

        whole["moe"] = mixture_of_experts.measure(
            steps, device=device, log=lambda s: typer.echo(s, err=True)
        )
    lines = var_lines(whole)
    routing_report.write(out / "var", whole, lines)
    if as_json:
        print(json.dumps(whole))
    else:
        show(lines)


async def _requests(count: int, flags: Flags) -> list[dict[str, Any]]:
    from harness import settings
    from harness.routing import routed
    from harness.wiring import open_backend
    from scripts.research.request_stream import measure

    backend, cards = await open_backend(settings.load(flags).options())
    try:
        return await measure(backend, routed(cards), train=count, test=count)
    finally:
        await backend.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as the command line says, and give the exit code."""
    return run_command(arguments, app, "python -m scripts.research.adaptive_router")


if __name__ == "__main__":
    sys.exit(main())
