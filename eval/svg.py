"""Small plots as SVG text: no plotting library, no file beside the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, LEFT, RIGHT, TOP, ROW = 720, 190, 70, 30, 30
COLOURS = ("#3366aa", "#cc6633", "#339966", "#993366", "#887733", "#556677", "#aa3344", "#22aaaa",
           "#7755cc", "#999999")  # fmt: skip


def _frame(height: float, body: Sequence[str], title: str) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        f'font-family="sans-serif" font-size="13"><title>{escape(title)}</title>'
    )
    name = f'<text x="{LEFT}" y="18" font-weight="bold">{escape(title)}</text>'
    return "\n".join([head, name, *body, "</svg>"])


def intervals(
    rows: Mapping[str, tuple[float, float, float]], title: str, *, low: float = 0, high: float = 1
) -> str:
    """One line for each name: point and interval (estimate, low, high) between ``low`` and ``high``.

    A line marks zero where it lies inside.
    """
    span = high - low

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (min(max(value, low), high) - low) / span

    height = TOP + ROW * len(rows) + 30
    body = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        value = low + share * span
        body.append(
            f'<line x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{TOP}" y2="{height - 25}" '
            f'stroke="#ddd"/><text x="{x(value):.1f}" y="{height - 8}" text-anchor="middle" '
            f'fill="#555">{100 * value:.0f}%</text>'
        )
    if low < 0 < high:
        body.append(
            f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{TOP}" y2="{height - 25}" stroke="#333"/>'
        )
    for number, (name, (middle, lower, upper)) in enumerate(rows.items()):
        y = TOP + ROW * number + ROW / 2
        colour = COLOURS[number % len(COLOURS)]
        body.append(
            f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
            f'<line x1="{x(lower):.1f}" x2="{x(upper):.1f}" y1="{y}" y2="{y}" stroke="{colour}" '
            f'stroke-width="3"/><circle cx="{x(middle):.1f}" cy="{y}" r="5" fill="{colour}"/>'
            f'<text x="{WIDTH - RIGHT + 10}" y="{y + 4}" fill="#333">{100 * middle:.1f}%</text>'
        )
    return _frame(height, body, title)


def lines(series: Mapping[str, Mapping[float, float]], title: str, label: str) -> str:
    """Shares (0 to 1) over a positive quantity on a doubling scale: name → {x: share}."""
    places = sorted({x for points in series.values() for x in points})
    height, bottom = 340, 290

    def at(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT - 60) * places.index(value) / max(1, len(places) - 1)

    def up(share: float) -> float:
        return bottom - (bottom - TOP) * share

    body = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        body.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT - 60}" y1="{up(share)}" y2="{up(share)}" '
            f'stroke="#ddd"/><text x="{LEFT - 8}" y="{up(share) + 4}" text-anchor="end" '
            f'fill="#555">{100 * share:.0f}%</text>'
        )
    for place in places:
        body.append(
            f'<text x="{at(place):.1f}" y="{bottom + 18}" text-anchor="middle">{place:g}</text>'
        )
    body.append(f'<text x="{LEFT}" y="{height - 8}" fill="#555">{escape(label)}</text>')
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{at(x):.1f},{up(y):.1f}" for x, y in sorted(points.items()))
        body.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{WIDTH - RIGHT - 50}" y="{TOP + 16 * number + 10}" fill="{colour}">'
            f"{escape(name)}</text>"
        )
    return _frame(height, body, title)


def scatter(points: Sequence[tuple[float, float, int, str]], title: str) -> str:
    """Points (x, y, group, text shown on hover); group −1 is grey."""
    height = 480
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    wide, tall = (max(v) - min(v) or 1.0 for v in (xs, ys))
    body = []
    for x, y, group, text in points:
        colour = "#bbb" if group < 0 else COLOURS[group % len(COLOURS)]
        across = 30 + (WIDTH - 60) * (x - min(xs)) / wide
        down = height - 20 - (height - 60) * (y - min(ys)) / tall
        body.append(
            f'<circle cx="{across:.1f}" cy="{down:.1f}" r="4" fill="{colour}" fill-opacity="0.7">'
            f"<title>{escape(text)}</title></circle>"
        )
    return _frame(height, body, title)


def bars(rows: Mapping[str, float], title: str, unit: str) -> str:
    """One bar for each name, its value written at the end."""
    most = max(rows.values(), default=0.0) or 1.0
    height = TOP + ROW * len(rows) + 10
    body = []
    for number, (name, value) in enumerate(rows.items()):
        y = TOP + ROW * number
        long = (WIDTH - LEFT - RIGHT - 40) * value / most
        body.append(
            f'<text x="{LEFT - 10}" y="{y + 18}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{LEFT}" y="{y + 4}" width="{long:.1f}" height="{ROW - 10}" '
            f'fill="{COLOURS[number % len(COLOURS)]}"/>'
            f'<text x="{LEFT + long + 8:.1f}" y="{y + 18}">{value:,.6g} {escape(unit)}</text>'
        )
    return _frame(height, body, title)


def page(title: str, parts: Sequence[str]) -> str:
    """A self-contained HTML page of ready parts."""
    style = (
        "body{font:15px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
        "table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .6rem;text-align:right;"
        "border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}"
        "svg{max-width:100%;height:auto}pre{white-space:pre-wrap;background:#f6f6f6;padding:.5rem}"
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{style}</style><h1>{escape(title)}</h1>{''.join(parts)}</html>\n"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
