"""A comparison as rows, as Markdown, and as a self-contained page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from eval import figures
from eval.compare.analysis import Comparison, Difference, Standing
from eval.pages import page

STANDINGS = ("system", "problems × seeds", "solved", "95% interval", "claimed, wrong",
             "out of budget", "lost")  # fmt: skip
COSTS = ("system", "tokens", "calls", "seconds", "tokens per solve", "cost per solve")
DIFFERENCES = ("system", "difference", "95% interval", "only it", "only baseline", "p", "p (Holm)",
               "power", "problems needed", "verdict")  # fmt: skip
Table = tuple[Sequence[str], list[list[str]]]
"""Titles, and rows of as many cells."""


def tables(comparison: Comparison) -> list[Table]:
    """The tables of one suite's comparison: solve rates, costs, and differences."""
    found: list[Table] = [
        (STANDINGS, [standing_row(s) for s in comparison.standings]),
        (COSTS, [cost_row(s) for s in comparison.standings]),
    ]
    if comparison.differences:
        titles = (f"against {comparison.differences[0].baseline}", *DIFFERENCES[1:])
        found.append((titles, [difference_row(d) for d in comparison.differences]))
    return found


def markdown(found: Sequence[Comparison], setting: Mapping[str, object]) -> str:
    """Tables and sentences for every suite."""
    lines = ["# Comparison of systems", "", *(f"- {line}" for line in told(setting)), ""]
    for comparison in found:
        lines += [f"## {comparison.suite}", ""]
        for titles, rows in tables(comparison):
            lines += [*_table(titles, rows), ""]
        lines += [*(f"- {sentence}" for sentence in comparison.sentences), ""]
    return "\n".join(lines)


def html(found: Sequence[Comparison], setting: Mapping[str, object]) -> str:
    """A page with the tables, sentences and plots of every suite."""
    suites = [
        {
            "name": comparison.suite,
            "figures": _figures(comparison),
            "tables": tables(comparison),
            "sentences": comparison.sentences,
        }
        for comparison in found
    ]
    return page("comparison", setting=told(setting), curve=horizon_curve(found), suites=suites)


def _figures(comparison: Comparison) -> list[str]:
    """Plots of each system's solve rate, and of its difference from the baseline."""
    rates = {
        s.system: (s.solve_rate, s.low, s.high)
        for s in comparison.standings
        if s.solve_rate is not None
    }
    made = [figures.intervals(rates, "solved, with 95% Wilson interval")]
    if comparison.differences:
        gaps = {d.system: (d.difference, d.low, d.high) for d in comparison.differences}
        title = f"difference to {comparison.differences[0].baseline}, paired bootstrap"
        made.append(figures.intervals(gaps, title, low=-1, high=1))
    return made


def horizon_curve(found: Sequence[Comparison]) -> str | None:
    """Solve rate over horizon length, where at least two ``horizon/E`` suites were run."""
    series: dict[str, dict[float, float]] = {}
    for comparison in found:
        if match := re.fullmatch(r"horizon/(\d+)", comparison.suite):
            for standing in comparison.standings:
                if standing.solve_rate is not None:
                    points = series.setdefault(standing.system, {})
                    points[int(match[1])] = standing.solve_rate
    if max((len(points) for points in series.values()), default=0) < 2:
        return None
    return figures.lines(series, "solved over horizon length", "events")


def standing_row(s: Standing) -> list[str]:
    """The cells of :data:`STANDINGS`."""
    return [
        s.system, _sample(s), _number(s.solve_rate, "{:.1%}", "-"), f"{100 * s.low:.1f}–{s.high:.1%}",
        str(s.claimed_wrong), str(s.exhausted), str(s.lost),
    ]  # fmt: skip


def cost_row(s: Standing) -> list[str]:
    """The cells of :data:`COSTS`."""
    return [
        s.system, f"{s.tokens:,.0f}", f"{s.calls:.1f}", f"{s.seconds:.2f}",
        _number(s.tokens_per_solve, "{:,.0f}", "nothing solved"), _cost(s),
    ]  # fmt: skip


def difference_row(d: Difference) -> list[str]:
    """The cells of :data:`DIFFERENCES`; the needed problems are left out for a difference that was
    found."""
    found = d.verdict in ("better", "worse")
    return [
        d.system, f"{100 * d.difference:+.1f}", f"{100 * d.low:+.1f} to {100 * d.high:+.1f}",
        str(d.only_system), str(d.only_baseline), f"{d.p:.2g}", f"{d.p_holm:.2g}",
        "-" if found else f"{d.power:.0%}", "-" if found else f"{d.problems_needed:,}", d.verdict,
    ]  # fmt: skip


def told(setting: Mapping[str, object]) -> list[str]:
    """The settings of a comparison, one line for each entry."""
    return [f"{name}: {value}" for name, value in setting.items()]


def method(smallest_effect: float) -> dict[str, object]:
    """How a comparison decides, for its setting."""
    return {
        "smallest effect": f"{100 * smallest_effect:g} points: smaller differences count as none",
        "intervals": "95%; problems are the sample, a problem counts once however many seeds",
    }


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


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(header) + " |",
        "| " + " | ".join("---" for _ in header) + " |",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
