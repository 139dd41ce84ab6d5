"""Output of a comparison: as files, as tables on a screen, or as one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from eval.compare.analysis import Comparison
from eval.compare.comparison_report import html, markdown, method, tables, told
from harness.files import write_pages
from harness.ui.text_tables import Column, say, show
from state.errors import BackendUnavailable

RANKS = {
    "only baseline": 7, "only it": 6, "p": 5, "power": 4, "out of budget": 4, "claimed, wrong": 2,
    "seconds": 3, "cost per solve": 2, "tokens per solve": 1, "lost": 1, "problems needed": 2,
    "95% interval": 3,
}  # fmt: skip
"""Columns that a narrow terminal omits, the highest rank first; files and pipes have them all."""
SHORT = {
    "problems × seeds": "sample", "claimed, wrong": "false claims", "out of budget": "no budget",
    "tokens per solve": "tokens/solve", "cost per solve": "cost/solve", "problems needed": "needed",
}  # fmt: skip
"""Shorter titles for a screen."""
NUMBERS = frozenset(["tokens", "calls", "seconds", "only it", "only baseline", "lost"])


def present(
    found: Sequence[Comparison],
    setting: dict[str, object],
    smallest_effect: float,
    folder: Path | None,
    *,
    as_json: bool,
) -> None:
    """Write the reports into ``folder``, if given, and show the comparison.

    Exits with code 4 afterwards if not a single attempt had a result.
    """
    setting = {**setting, **method(smallest_effect)}
    data = {"setting": setting, "comparisons": [c.model_dump() for c in found]}
    text = json.dumps(data)
    if folder is not None:
        pages = {"md": markdown(found, setting), "html": html(found, setting), "json": text}
        write_pages(folder, {f"comparison.{kind}": page for kind, page in pages.items()})
    if as_json:
        print(text)
    else:
        _show(found, setting, folder)
    lost = sum(s.lost for c in found for s in c.standings)
    if lost and all(s.solve_rate is None for c in found for s in c.standings):
        if not as_json:
            print(f"all {lost} attempts were lost: there is nothing to compare", file=sys.stderr)
        raise typer.Exit(BackendUnavailable.exit_code)


def _show(found: Sequence[Comparison], setting: dict[str, object], folder: Path | None) -> None:
    for line in told(setting):
        say(line)
    for comparison in found:
        typer.echo(f"\n{comparison.suite}")
        for titles, rows in tables(comparison):
            typer.echo()
            show([_column(title) for title in titles], rows)
        typer.echo()
        for sentence in comparison.sentences:
            say(sentence)
    if folder is not None:
        typer.echo(f"\nwritten to {folder}")


def _column(title: str) -> Column:
    return Column(SHORT.get(title, title), rank=RANKS.get(title, 0), right=title in NUMBERS)
