"""``harness router``: trains routers from the call log, evaluates them, calibrates the loss
probe."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import Flags, Json, group, model_options

if TYPE_CHECKING:
    from specialists.registry import Card
    from specialists.routing.calllog import Example

router = group("Train and judge routers.")


@router.command("train")
@model_options("record")
def train(*, flags: Flags, as_json: Json = False) -> None:
    """Train the learned router and the posteriors from verified outcomes; a new version of each."""
    from eval.routing.learning import train as fit
    from harness.routing import routing_home

    all_made = fit(_examples(), _fleet(flags), _embedder(), routing_home())
    if as_json:
        rows = [{"kind": m.kind, "number": m.number, "figures": m.figures} for m in all_made]
        print(json.dumps(rows))
        return
    for made in all_made:
        figures = ", ".join(f"{name} {_short(value)}" for name, value in made.figures.items())
        typer.echo(f"{made.kind} router {made.number}: {figures}")


@router.command("evaluate")
@model_options("record")
def evaluate(
    *,
    flags: Flags,
    plot: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for reliability plots.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Brier score and calibration error on problems left out of the training."""
    from eval.routing import routing_report
    from eval.routing.learning import evaluate as judge
    from harness.ui.text_tables import Column, show

    rows = judge(_examples(), _fleet(flags), _embedder())
    if as_json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        names = ("examples", "problems", "Brier", "ECE", "accuracy", "most frequent")
        show(
            [Column("router"), *(Column(name, right=True) for name in names)],
            [
                (r.router, str(r.examples), str(r.problems), f"{r.brier:.3f}", f"{r.ece:.3f}",
                 f"{r.accuracy:.3f}", f"{r.base_rate:.3f}")
                for r in rows
            ],
        )  # fmt: skip
    for row in rows if plot else ():
        assert plot is not None
        file = plot / f"reliability-{row.router}.png"
        routing_report.plot_reliability(row.bins, file, row.router)
        typer.echo(f"wrote {file}", err=as_json)


@router.command("calibrate")
@model_options("record")
def calibrate(*, flags: Flags, as_json: Json = False) -> None:
    """Measure how each adapter's loss spreads over the fleet's example tasks."""
    from harness import settings
    from harness.routing import calibration_file, routed
    from harness.wiring import open_backend
    from specialists.routing.loss_probe import calibrate as fit

    async def work() -> Any:
        backend, cards = await open_backend(settings.load(flags).options())
        try:
            fleet = routed(cards)
            return await fit(backend, fleet, [text for c in fleet for text in c.examples])
        finally:
            await backend.close()

    made = asyncio.run(work())
    file = calibration_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(made.model_dump_json(indent=1) + "\n", "utf-8")
    if as_json:
        print(made.model_dump_json())
        return
    for name in made.mean:
        typer.echo(f"{name:<12}  {made.mean[name]:+.3f} ± {made.deviation[name]:.3f} bits per byte")
    typer.echo(f"wrote {file} ({made.texts} texts)")


def _examples() -> Sequence[Example]:
    from specialists.routing.calllog import examples
    from state.opening import existing

    with existing() as store:
        return examples(store) if store is not None else []


def _fleet(flags: Flags) -> list[Card]:
    from harness.cli.cards_in_force import cards_in_force
    from harness.routing import routed

    return routed(cards_in_force(flags))


def _embedder() -> Any:
    from harness import settings
    from specialists.routing import Embedder

    return Embedder(settings.load().embedder)


def _short(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
