"""``harness eval aggregate``: the attempts of several sweeps as one comparison."""

from __future__ import annotations

import json
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
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write Markdown, JSON and a page here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Join sweeps, made at different times or on different machines, and compare their systems."""
    from eval.comparison import analyse, join
    from eval.comparison_report import html, markdown

    attempts = join([folder / "attempts.jsonl" for folder in folders])
    systems = list(dict.fromkeys(a.system for a in attempts))
    found = analyse(attempts, systems, baseline)
    setting: dict[str, object] = {"joined": ", ".join(str(f) for f in folders)}
    page = markdown(found, setting)
    data = json.dumps({"setting": setting, "comparisons": [c.model_dump() for c in found]})
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "comparison.md").write_text(page, "utf-8")
        (out / "comparison.html").write_text(html(found, setting), "utf-8")
        (out / "comparison.json").write_text(data + "\n", "utf-8")
    print(data if as_json else page)
