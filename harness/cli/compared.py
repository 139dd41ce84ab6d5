"""How a comparison is given to its reader: as files, as tables on a screen, or as one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.text import Text

from eval.analysis import Comparison
from eval.comparison_report import brief, html, markdown, tables, told
from harness.files import write_pages
from harness.tables import print_table
from harness.view import console
from state.errors import BackendUnavailable


def present(
    found: Sequence[Comparison],
    setting: dict[str, object],
    smallest_effect: float,
    folder: Path | None,
    *,
    as_json: bool,
) -> None:
    """Write the reports into ``folder``, if there is one, and show the comparison.

    Ends with exit code 4 after that where not a single attempt had a result.
    """
    setting = {
        **setting,
        "smallest effect": f"{100 * smallest_effect:g} points: smaller differences count as none",
        "intervals": "95%; problems are the sample, a problem counts once however many seeds",
    }
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
    screen = console()
    for line in told(setting):
        screen.print(Text(line, "dim"))
    for comparison in found:
        screen.print()
        screen.print(Text(comparison.suite, "bold"))
        for titles, rows in (brief if screen.is_terminal else tables)(comparison):
            screen.print()
            print_table(screen, titles, rows)
        screen.print()
        for sentence in comparison.sentences:
            screen.print(Text(sentence))
    if folder is not None:
        screen.print(f"\nwritten to {folder}", soft_wrap=True)
