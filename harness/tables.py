"""Tables for people: fitted to a terminal of any width, and without padding in a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.progress import one_line

GAPS = (2, 1)
"""Spaces between columns, the second where the first leaves too little."""


def print_table(
    screen: Console, titles: Sequence[str], rows: Sequence[Sequence[str]], *, whole: bool = True
) -> None:
    """Print rows of cells under their titles. The first cell names the row; ``whole`` keeps it on one
    line.

    No word is ever cut: a terminal that is too narrow for columns gets a paragraph for each row.
    Elsewhere, as in a pipe, cells are separated by tabs.
    """
    clean = [[one_line(cell) for cell in row] for row in rows]
    if not screen.is_terminal:
        for row in [list(titles), *clean]:
            print("\t".join(row), file=screen.file)
        return
    for gap in GAPS:
        if widths := _widths([titles, *clean], screen.width - gap * (len(titles) - 1), whole=whole):
            screen.print(_table(titles, clean, widths, gap))
            return
    for first, *rest in clean:
        screen.print(Text(first, "bold"))
        for title, cell in zip(titles[1:], rest, strict=True):
            screen.print(Text(f"  {title}: {cell}"))


def _widths(rows: Sequence[Sequence[str]], room: int, *, whole: bool) -> list[int]:
    """Widths of columns that cut no word and share ``room``; none where it is too small."""
    columns = list(zip(*rows, strict=True))
    full = [max(map(cell_len, column)) for column in columns]
    least = [max(cell_len(w) for cell in c for w in (cell.split() or [""])) for c in columns]
    if whole:
        least[0] = full[0]
    spare = room - sum(least)
    if spare < 0:
        return []
    for k in sorted(range(len(columns)), key=lambda k: full[k] - least[k]):
        more = min(full[k] - least[k], spare)
        least[k] += more
        spare -= more
    return least


def _table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int], gap: int
) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    for title, width in zip(titles, widths, strict=True):
        table.add_column(Text(title), width=width)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
