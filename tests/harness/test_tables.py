"""Tables at the widths that people have, and in a pipe."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from eval.analysis import analyse
from eval.attempts import Attempt
from eval.comparison_report import brief, tables
from harness.tables import print_table

SYSTEMS = ("direct", "cot", "best_of_n", "repair", "ensemble", "hierarchy")
LONG = ("direct", "hierarchy", "without-verification", "without-decomposition")
TITLES = ("name", "value", "what it says")
ROWS = [["a-name-that-must-be-whole", "12", "some words that may be wrapped at their spaces"]]


def shown(width: int, systems: tuple[str, ...]) -> str:
    attempts = [
        Attempt(suite="s", system=s, problem=f"p{k}", seed=1, solved=k % 2 == 0, tokens=12_345)
        for s in systems
        for k in range(40)
    ]
    (comparison,) = analyse(attempts, systems, "direct")
    screen = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    for titles, rows in brief(comparison):
        print_table(screen, titles, rows)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


@pytest.mark.parametrize("width", [80, 60, 40])
@pytest.mark.parametrize("systems", [SYSTEMS, LONG])
def test_nothing_is_cut_at_any_width(width: int, systems: tuple[str, ...]) -> None:
    text = shown(width, systems)
    lines = text.splitlines()
    assert "…" not in text
    assert "|" not in text
    assert max(map(len, lines)) <= width
    for system in systems:
        assert sum(system in line.split() or system in line for line in lines) >= 2
    for whole in ("undecided", "35.2–64.8%", "12,345"):
        assert whole in text


def test_at_80_and_60_columns_the_usual_systems_are_a_row_each() -> None:
    for width in (80, 60):
        (row,) = [line for line in shown(width, SYSTEMS).splitlines() if "35.2–64.8%" in line
                  and line.startswith("hierarchy")]  # fmt: skip
        assert "40 × 1" in row


def test_a_pipe_gets_tabs_and_no_padding() -> None:
    screen = Console(file=io.StringIO(), width=200)
    print_table(screen, TITLES, ROWS)
    assert isinstance(screen.file, io.StringIO)
    head, row = screen.file.getvalue().splitlines()
    assert head.split("\t") == list(TITLES)
    assert row.split("\t") == ROWS[0]


def test_a_pipe_gets_every_column() -> None:
    attempts = [
        Attempt(suite="s", system=s, problem="p", seed=1, solved=True) for s in ("direct", "cot")
    ]
    (comparison,) = analyse(attempts, ("direct", "cot"), "direct")
    assert len(tables(comparison)[2][0]) > len(brief(comparison)[2][0])
