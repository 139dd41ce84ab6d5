"""Tables for people: fitted to a terminal of any width, and without padding in a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from harness.progress import one_line


def print_table(
    screen: Console, titles: Sequence[str], rows: Sequence[Sequence[str]], *, whole: bool = True
) -> None:
    """Print rows of cells under their titles. The first cell names the row; ``whole`` keeps it on one
    line.

    A terminal that is too narrow for columns gets a paragraph for each row. Elsewhere, as in a pipe,
    cells are separated by tabs.
    """
    clean = [[one_line(cell) for cell in row] for row in rows]
    if not screen.is_terminal:
        for row in [list(titles), *clean]:
            print("\t".join(row), file=screen.file)
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, title in enumerate(titles):
        table.add_column(Text(title), no_wrap=whole and not number)
    for row in clean:
        table.add_row(*(Text(cell) for cell in row))
    if Measurement.get(screen, screen.options, table).minimum <= screen.width:
        screen.print(table)
        return
    for first, *rest in clean:
        screen.print(Text(first, "bold"))
        for title, cell in zip(titles[1:], rest, strict=True):
            screen.print(Text(f"  {title}: {cell}"))
