"""A comparison as text for people: Markdown, and a page that needs nothing beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

from eval import svg
from eval.comparison import Comparison, Difference, Standing

STANDINGS = ("system", "problems × seeds", "solved", "95% interval", "claimed, wrong",
             "out of budget", "tokens", "calls", "seconds", "tokens per solve", "cost per solve")  # fmt: skip
DIFFERENCES = ("system", "against", "difference", "95% interval", "only it", "only baseline", "p",
               "p (Holm)", "power", "problems for 80% power", "verdict")  # fmt: skip


def markdown(found: Sequence[Comparison], setting: Mapping[str, object]) -> str:
    """Tables and sentences for every suite."""
    lines = ["# Comparison of systems", "", *_setting(setting), ""]
    for comparison in found:
        lines += [f"## {comparison.suite}", ""]
        lines += _table(STANDINGS, [standing_row(s) for s in comparison.standings])
        if comparison.differences:
            lines += ["", *_table(DIFFERENCES, [difference_row(d) for d in comparison.differences])]
            lines += ["", *(f"- {d.words}" for d in comparison.differences)]
        lines.append("")
    return "\n".join(lines)


def html(found: Sequence[Comparison], setting: Mapping[str, object]) -> str:
    """The same as a page with plots."""
    parts = ["<ul>", *(f"<li>{escape(line[2:])}</li>" for line in _setting(setting)), "</ul>"]
    if (curve := horizon_curve(found)) is not None:
        parts.append(curve)
    for comparison in found:
        rates = {s.system: (s.solve_rate, s.low, s.high) for s in comparison.standings}
        parts += [
            f"<h2>{escape(comparison.suite)}</h2>",
            svg.intervals(rates, "solved, with 95% Wilson interval"),
            svg.table(STANDINGS, [standing_row(s) for s in comparison.standings]),
        ]
        if comparison.differences:
            gaps = {d.system: (d.difference, d.low, d.high) for d in comparison.differences}
            base = comparison.differences[0].baseline
            parts += [
                svg.intervals(gaps, f"difference to {base}, paired bootstrap", low=-1, high=1),
                svg.table(DIFFERENCES, [difference_row(d) for d in comparison.differences]),
                *(f"<p>{escape(d.words)}</p>" for d in comparison.differences),
            ]
    return svg.page("Comparison of systems", parts)


def horizon_curve(found: Sequence[Comparison]) -> str | None:
    """Solve rate over horizon length, where at least two ``horizon/E`` suites were run."""
    series: dict[str, dict[float, float]] = {}
    for comparison in found:
        if match := re.fullmatch(r"horizon/(\d+)", comparison.suite):
            for standing in comparison.standings:
                series.setdefault(standing.system, {})[int(match[1])] = standing.solve_rate
    if max((len(points) for points in series.values()), default=0) < 2:
        return None
    return svg.lines(series, "solved over horizon length", "events")


def standing_row(s: Standing) -> list[str]:
    """The cells of :data:`STANDINGS`."""
    return [
        s.system, _sample(s), f"{s.solve_rate:.1%}", f"{s.low:.1%} to {s.high:.1%}",
        str(s.claimed_wrong), str(s.exhausted), f"{s.tokens:,.0f}", f"{s.calls:.1f}",
        f"{s.seconds:.2f}", _number(s.tokens_per_solve, "{:,.0f}", "nothing solved"),
        _cost(s),
    ]  # fmt: skip


def difference_row(d: Difference) -> list[str]:
    """The cells of :data:`DIFFERENCES`."""
    return [
        d.system, d.baseline, f"{100 * d.difference:+.1f}", f"{100 * d.low:+.1f} to {100 * d.high:+.1f}",
        str(d.only_system), str(d.only_baseline), f"{d.p:.2g}", f"{d.p_holm:.2g}", f"{d.power:.0%}",
        _number(d.problems_needed, "{:,d}", "-"), d.verdict,
    ]  # fmt: skip


def _sample(standing: Standing) -> str:
    whole = f"{standing.problems} × {standing.seeds}"
    missing = standing.problems * standing.seeds - standing.attempts
    return f"{whole}, {missing} missing" if missing else whole


def _cost(standing: Standing) -> str:
    if standing.cost_per_solve is not None:
        return f"${standing.cost_per_solve:.6f}"
    return "nothing solved" if standing.tokens_per_solve is None else "price unknown"


def _number(value: float | None, form: str, missing: str) -> str:
    return missing if value is None else form.format(value)


def _setting(setting: Mapping[str, object]) -> list[str]:
    return [f"- {name}: {value}" for name, value in setting.items()]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(header) + " |",
        "| " + " | ".join("---" for _ in header) + " |",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
