"""Figures of the routing benchmarks as Markdown, JSON and a plot."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def percent(value: float, digits: int = 1) -> str:
    """``0.1234`` as ``12.3``; a dash for NaN."""
    return "-" if math.isnan(value) else f"{100 * value:.{digits}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [
        "| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |",
        *("| " + " | ".join(row) + " |" for row in rows), "",
    ]  # fmt: skip


def recorded_lines(result: Mapping[str, Any]) -> list[str]:
    """Lines for one ground of recorded answers."""
    lines = [
        f"## {result['ground']}: {result['tasks']} tasks, {result['runs']} run(s) each", "",
        *(f"- {note}" for note in result["notes"]), "",
        "Each policy at its own point. Quality and intervals (95%, bootstrap over tasks) in percent, "
        "cost in US dollars for 1,000 tasks, share of always asking the dearest model. *Over mixture* "
        "is quality minus the best random mixture of single models at the same cost. The oracle picks "
        "among one answer of each model; a cascade that asks a model again may pass it.", "",
    ]  # fmt: skip
    lines += table(
        ("policy", "quality", "cost", "share", "dearest asked", "regret", "over mixture"),
        [
            (
                p["policy"] + (" (native)" if p["policy"] == f"always {result['native']}" else ""),
                f"{percent(p['quality'])} ({percent(p['quality_low'])} to {percent(p['quality_high'])})",
                f"{1000 * p['cost']:.2f}", percent(p["cost_share"]), percent(p["strong"]),
                percent(p["regret"]),
                f"{percent(p['over_mixture'])} ({percent(p['over_low'])} to {percent(p['over_high'])})",
            )
            for p in result["points"]
        ],
    )  # fmt: skip
    lines += [
        f"Between {result['weak']} (weak) and {result['strong']} (strong), as RouteLLM measures; CPT "
        "is the share of strong calls in percent.", "",
    ]  # fmt: skip
    return lines + table(
        ("router", "APGR", "CPT(50)", "CPT(80)"),
        [(c["router"], *(_span(c, n, n == "apgr") for n in ("apgr", "cpt50", "cpt80")))
         for c in result["curves"]],
    )  # fmt: skip


def _span(row: Mapping[str, Any], name: str, plain: bool) -> str:
    values = [row[name], row[f"{name}_low"], row[f"{name}_high"]]
    shown = [f"{v:.3f}" if plain else percent(v, 0) for v in values]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


def write(base: Path, results: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Write ``base``.json and ``base``.md; NaN becomes null."""
    base.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_plain(results), indent=1)
    base.with_suffix(".json").write_text(text + "\n", "utf-8")
    base.with_suffix(".md").write_text("\n".join(lines).rstrip() + "\n", "utf-8")


def read(base: Path) -> dict[str, Any]:
    """Read a file of :func:`write`, null as NaN again; empty where there is no file."""
    file = base.with_suffix(".json")
    return _numbers(json.loads(file.read_text("utf-8"))) if file.is_file() else {}


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_numbers(part) for part in value]
    return math.nan if value is None else value


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value


def plot_curves(results: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Plot quality against cost for each ground: curves of rankings, points of policies."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5 * len(results), 4.8), layout="constrained")
    for axes, result in zip(
        figure.subplots(1, len(results), squeeze=False)[0], results, strict=True
    ):
        for row in result["curves"]:
            axes.plot(
                [1000 * c for c in row["cost"]], [100 * q for q in row["quality"]],
                label=row["router"], linestyle="--" if row["router"] == "random" else "-",
            )  # fmt: skip
        for point in result["points"]:
            axes.plot(1000 * point["cost"], 100 * point["quality"], "k.", markersize=5)
            axes.annotate(
                point["policy"], (1000 * point["cost"], 100 * point["quality"]), fontsize=6
            )
        axes.set_xscale("log")
        axes.set_xlabel("US dollars for 1,000 tasks")
        axes.set_ylabel("percent solved")
        axes.set_title(result["ground"])
        axes.legend(fontsize=6)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)


def plot_reliability(bins: Sequence[Any], file: Path, title: str) -> None:
    """Plot accuracy against stated confidence, with the diagonal of perfect calibration."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], "k--", linewidth=0.8)
    axes.plot([b.confidence for b in bins], [b.accuracy for b in bins], "o-")
    for one in bins:
        axes.annotate(str(one.count), (one.confidence, one.accuracy), fontsize=7)
    axes.set_xlabel("stated probability")
    axes.set_ylabel("share verified")
    axes.set_title(title)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)


def pocket_lines(part: Mapping[str, Any]) -> list[str]:
    """Lines for the pocket fleet, with right and wrong adapters."""
    return [
        f"## The pocket fleet: {part['tasks']} held-out tasks, {len(part['adapters'])} adapters", "",
        "Every task was answered by every adapter, greedily, and judged. *Right* is the share of tasks "
        "sent to the adapter of their own domain; regret is against the oracle.", "",
        *table(
            ("router", "solved", "right", "regret", "ms a task"),
            [
                (
                    r["router"],
                    f"{percent(r['solved'])} ({percent(r['low'])} to {percent(r['high'])})",
                    percent(r["right"]), percent(r["regret"]),
                    "-" if math.isnan(r["ms"]) else f"{r['ms']:.1f}",
                )
                for r in part["rows"]
            ],
        ),
    ]  # fmt: skip
