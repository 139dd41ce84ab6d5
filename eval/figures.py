"""Small plots as SVG for a page, drawn by matplotlib, without external files."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import Any
from xml.etree import ElementTree

WIDTH, ROW = 7.2, 0.32
"""Width of a plot and height of one of its rows, in inches."""
LONGEST = 40
"""Most characters of a label."""
GREY = "#bbbbbb"
SVG = "http://www.w3.org/2000/svg"
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+")
_REFERENCE = re.compile(r"^#(.+)$|url\(#(.+?)\)")


def intervals(
    rows: Mapping[str, tuple[float, float, float]], title: str, *, low: float = 0, high: float = 1
) -> str:
    """One line for each name: point and interval (estimate, low, high) between ``low`` and ``high``.

    A line marks zero where it lies inside.
    """
    with _axes(title, ROW * len(rows) + 0.3) as (axes, drawn):
        for place, (middle, lower, upper) in enumerate(rows.values()):
            axes.plot([lower, upper], [place, place], color=f"C{place % 10}", linewidth=3)
            axes.plot([middle], [place], "o", color=f"C{place % 10}", clip_on=False)
            axes.annotate(
                f"{100 * middle:.1f}%", (high, place), (8, 0), textcoords="offset points",
                va="center", annotation_clip=False,
            )  # fmt: skip
        if low < 0 < high:
            axes.axvline(0, color="#333333", linewidth=1)
        ticks = [low + share * (high - low) for share in (0, 0.25, 0.5, 0.75, 1)]
        axes.set_xticks(ticks, [f"{100 * tick:.0f}%" for tick in ticks])
        axes.set_xlim(low, high)
        _name_rows(axes, rows)
        axes.grid(axis="x", color="#dddddd")
    return drawn()


def lines(series: Mapping[str, Mapping[float, float]], title: str, label: str) -> str:
    """Shares (0 to 1) over a positive quantity, its values evenly spaced: name → {x: share}."""
    places = sorted({x for points in series.values() for x in points})
    with _axes(title, 3.2) as (axes, drawn):
        for number, (name, points) in enumerate(series.items()):
            xs = [places.index(x) for x in sorted(points)]
            axes.plot(xs, [points[x] for x in sorted(points)], color=f"C{number % 10}")
            axes.annotate(
                _label(name), (1, 1), (8, -14 * (number + 1)), xycoords="axes fraction",
                textcoords="offset points", color=f"C{number % 10}", annotation_clip=False,
            )  # fmt: skip
        axes.set_xticks(range(len(places)), [f"{place:g}" for place in places])
        axes.set_xlabel(_label(label))
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
        axes.set_ylim(0, 1.02)
        axes.grid(axis="y", color="#dddddd")
    return drawn()


def scatter(points: Sequence[tuple[float, float, int, str]], title: str) -> str:
    """Points (x, y, group, text shown on hover); group −1 is grey."""
    groups: dict[int, list[tuple[float, float, int, str]]] = {}
    for point in points:
        groups.setdefault(point[2], []).append(point)
    with _axes(title, 4.5) as (axes, drawn):
        for group, members in groups.items():
            colour = GREY if group < 0 else f"C{group % 10}"
            xs, ys, _, _ = zip(*members, strict=True)
            (marks,) = axes.plot(xs, ys, "o", color=colour, alpha=0.7)
            marks.set_gid(f"group-{group}")
        axes.set_axis_off()
    return drawn({f"group-{group}": [p[3] for p in members] for group, members in groups.items()})


def bars(rows: Mapping[str, float], title: str, unit: str) -> str:
    """One bar for each name, its value written at the end."""
    with _axes(title, ROW * len(rows) + 0.1) as (axes, drawn):
        made = axes.barh(
            range(len(rows)), list(rows.values()), color=[f"C{n % 10}" for n in range(len(rows))]
        )
        axes.bar_label(made, [f"{value:,.6g} {_label(unit)}" for value in rows.values()], padding=6)
        axes.set_xticks([])
        _name_rows(axes, rows)
    return drawn()


def _name_rows(axes: Any, rows: Mapping[str, Any]) -> None:
    axes.set_yticks(range(len(rows)), [_label(name) for name in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)


def _label(text: str) -> str:
    """``text`` on one line, shortened to the length of a label."""
    line = _clean(text)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _clean(text: str) -> str:
    """``text`` on one line, reduced to characters that XML can hold."""
    return " ".join(_CONTROL.sub(" ", text).split())


@contextmanager
def _axes(title: str, height: float) -> Iterator[tuple[Any, Callable[..., str]]]:
    """Axes, and a function that returns the SVG afterwards; it takes hover texts of marks by their
    gid."""
    import matplotlib
    from matplotlib.figure import Figure

    text = StringIO()

    def drawn(hover: Mapping[str, Sequence[str]] | None = None) -> str:
        return _inline(text.getvalue(), title, hover or {})

    settings = {"svg.fonttype": "none", "svg.hashsalt": _clean(title), "text.parse_math": False}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing", UserWarning)
        figure = Figure(figsize=(WIDTH, height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_title(_clean(title), loc="left", fontweight="bold", fontsize=11)
        for side in ("top", "right", "left", "bottom"):
            axes.spines[side].set_visible(False)
        yield axes, drawn
        figure.savefig(text, format="svg", bbox_inches="tight", metadata=NO_METADATA)


def _inline(text: str, title: str, hover: Mapping[str, Sequence[str]]) -> str:
    """An SVG file as an element of a page, with hover texts.

    Ids without references are removed, since a page holds several figures, and so is the namespace
    of links, which HTML does not need.
    """
    root = ElementTree.fromstring(text)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name in [n for n in element.attrib if "}" in n]:
            element.set(name.rpartition("}")[2], element.attrib.pop(name))
    for group in root.iter("g"):
        if (texts := hover.get(group.get("id", ""))) is not None:
            for mark, says in zip(list(group.iter("use")), texts, strict=True):
                ElementTree.SubElement(mark, "title").text = _clean(says)
    values = [value for element in root.iter() for value in element.attrib.values()]
    wanted = {one for value in values for match in _REFERENCE.findall(value) for one in match}
    for element in root.iter():
        if element.get("id", "") not in wanted:
            element.attrib.pop("id", None)
    root.attrib.update({"xmlns": SVG, "role": "img", "aria-label": _clean(title)})
    return ElementTree.tostring(root, encoding="unicode")
