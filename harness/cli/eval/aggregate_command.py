"""``harness eval aggregate``: the attempts of several sweeps as one comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def aggregate(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR…", help="Folders that `eval compare` wrote.")
    ],
    baseline: Annotated[
        str, typer.Option(help="System that the others are held against.")
    ] = "direct",
    smallest_effect: Annotated[
        float, typer.Option(help="Difference in solve rate that counts as a benefit.")
    ] = 0.05,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write Markdown, JSON and a page here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Join sweeps, made at different times or on different machines, and compare their systems."""
    from eval.compare.analysis import analyse
    from eval.compare.attempts import join
    from harness.cli.eval.present import present

    attempts = join([folder / "attempts.jsonl" for folder in folders])
    systems = list(dict.fromkeys(a.system for a in attempts))
    found = analyse(attempts, systems, baseline, smallest_effect)
    setting: dict[str, object] = {"joined": ", ".join(str(f) for f in folders)}
    present(found, setting, smallest_effect, out, as_json=as_json)
