"""Tables for people: ids are never cut, and a pipe gets no padding.

Written without :mod:`rich.table`, whose import takes longer than listing the beads of a project.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import typer
from rich.cells import cell_len, chop_cells

from harness.ui.live_progress import clean

GAP = "  "
LEAST_TEXT, LONGEST_WORD = 24, 40
"""Least width of a text before other columns are omitted for it; longest word of it that is kept
whole."""


@dataclass(frozen=True)
class Column:
    """A column; the last of a table may hold a text, which is wrapped where it does not fit."""

    name: str
    rank: int = 0
    """Rank of the column: a narrow terminal omits the columns of the highest rank first; 0 is never
    omitted."""
    right: bool = False
    text: bool = False
    least: int = 0
    """Least width, even where all cells are narrower."""


@dataclass(frozen=True)
class Cell:
    """A coloured cell; a plain string may be used instead."""

    text: str
    colour: str | None = None
    bold: bool = False


def show(
    columns: Sequence[Column], rows: Iterable[Sequence[str | Cell]], head: bool = True
) -> None:
    """Print a table to standard output, as wide as the terminal; in a pipe without a limit."""
    for line in lines(columns, rows, width(), head):
        typer.echo(line, color=None if "NO_COLOR" not in os.environ else False)


def say(text: str) -> None:
    """Print a sentence, wrapped where the terminal is narrow."""
    for line in wrapped(text, width()):
        typer.echo(line)


def width() -> int | None:
    """Columns of the terminal, or those that COLUMNS sets; ``None`` where there is no limit."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS", "").isdigit():
        return None
    return shutil.get_terminal_size().columns


def when(seconds: float | None) -> str:
    """A time in the zone of the machine, to the minute; empty for none.

    At the ends of the calendar, where that zone may have no date, the time is in UTC and says so.
    """
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds).isoformat(" ", "minutes")
    except (ValueError, OverflowError, OSError):
        from state.fields import moment

        return f"{moment(seconds) or '':.16}".replace("T", " ") + " UTC"


def lines(
    columns: Sequence[Column],
    rows: Iterable[Sequence[str | Cell]],
    limit: int | None = None,
    head: bool = True,
) -> list[str]:
    """The lines of a table, none wider than ``limit`` unless the content that must not be cut
    is."""
    cells = [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in rows]
    titles = [Cell(column.name, bold=True) for column in columns]
    widths = [
        max([column.least, *(_width(row[k].text) for row in ([titles] if head else []) + cells)])
        for k, column in enumerate(columns)
    ]
    least = list(widths)
    if columns[-1].text:
        words = [cell_len(word) for row in cells for word in clean(row[-1].text).split()]
        least[-1] = min(widths[-1], max([LEAST_TEXT, *(min(w, LONGEST_WORD) for w in words)]))
    kept = _kept(columns, least, limit)
    room = None
    if limit is not None and columns[kept[-1]].text:
        room = max(LEAST_TEXT, limit - sum(widths[k] + len(GAP) for k in kept[:-1]))
    made = []
    for row in ([titles] if head else []) + cells:
        made += _row([(columns[k], row[k], widths[k]) for k in kept], room)
    return made


def _kept(columns: Sequence[Column], least: Sequence[int], limit: int | None) -> list[int]:
    kept = list(range(len(columns)))
    while limit is not None and sum(least[k] + len(GAP) for k in kept) - len(GAP) > limit:
        spare = max(kept, key=lambda k: columns[k].rank)
        if columns[spare].rank == 0:
            break
        kept.remove(spare)
    return kept


def _row(row: Sequence[tuple[Column, Cell, int]], room: int | None) -> list[str]:
    start, parts = 0, list[str]()
    for column, cell, wide in row[:-1]:
        fill = " " * (wide - _width(cell.text))
        parts.append(fill + _styled(cell) if column.right else _styled(cell) + fill)
        start += wide + len(GAP)
    column, cell, wide = row[-1]
    if column.right:
        return [GAP.join([*parts, " " * (wide - _width(cell.text)) + _styled(cell)])]
    texts = [Cell(line, cell.colour, cell.bold) for line in wrapped(cell.text, room)]
    first = GAP.join([*parts, _styled(texts[0])]).rstrip()
    return [first, *(" " * start + _styled(text) for text in texts[1:])]


def wrapped(text: str, room: int | None) -> list[str]:
    """A text as lines of at most ``room`` columns, at least one line; its own line breaks are kept.

    A longer word, such as a path, is not cut.
    """
    made = list[str]()
    for line in clean(text).split("\n"):
        if room is None or cell_len(line) <= room:
            made.append(line)
        elif cell_len(line) == len(line):
            made += textwrap.wrap(line, room, break_on_hyphens=False, break_long_words=False)
        else:
            made += chop_cells(line, room)
    return made or [""]


def _width(text: str) -> int:
    return max(map(cell_len, clean(text).split("\n")))


def _styled(cell: Cell) -> str:
    text = clean(cell.text)
    if not (cell.colour or cell.bold):
        return text
    return typer.style(text, fg=cell.colour, bold=cell.bold or None)
