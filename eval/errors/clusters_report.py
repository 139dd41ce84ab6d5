"""Error clusters as data, Markdown and a page with a scatter plot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from eval.errors.clustering import EXAMPLES, Cluster, Vectors, plane
from eval.errors.run_failures import Failure
from eval.figures import scatter
from eval.pages import page

HEADER = ("cluster", "failures", "runs", "trend", "shows in", "arose in", "fixed by")


def rows(
    clusters: Sequence[Cluster], failures: Sequence[Failure], origins: Sequence[str]
) -> list[dict[str, Any]]:
    """One mapping for each cluster, in the form that ``--json`` prints."""
    found = []
    for item in clusters:
        members = [failures[i] for i in item.members]
        runs = Counter(f.run_id for f in members)
        found.append({
            "name": item.name, "key": item.key, "size": item.size, "trend": item.trend,
            "runs": dict(runs), "tiers": dict(Counter(f.tier for f in members)),
            "origins": dict(Counter(origins[i] for i in item.members)),
            "fixes": dict(item.fixes), "normal": members[0].normal,
            "normals": list(item.normals),
            "examples": [
                {"run": f.run_id, "problem": f.problem, "specialist": f.specialist,
                 "detail": f.detail, "answer": f.answer}
                for f in members[:EXAMPLES]
            ],
        })  # fmt: skip
    return found


def cells(row: dict[str, Any]) -> list[str]:
    """The cells of :data:`HEADER`."""
    fixed = sum(row["fixes"].values())
    best = next(iter(row["fixes"]), "")
    return [
        row["name"], str(row["size"]), str(len(row["runs"])), row["trend"], _most(row["tiers"]),
        _most(row["origins"]), f"{fixed} of {row['size']}, mostly {best}" if fixed else "nothing",
    ]  # fmt: skip


def markdown(found: Sequence[dict[str, Any]], noise: int) -> str:
    """A table and examples."""
    lines = [
        "# Failures by kind",
        "",
        "| " + " | ".join(HEADER) + " |",
        "| --- " * len(HEADER) + "|",
    ]
    lines += ["| " + " | ".join(_cell(c) for c in cells(row)) + " |" for row in found]
    lines += ["", f"{noise} failures are like no others.", ""]
    for row in found:
        lines += [f"## {row['name']}", "", f"`{row['normal']}`", ""]
        lines += [
            f"- {e['run']}, {e['problem']}, {e['specialist'] or 'no specialist'}: {_cell(e['detail'])}"
            for e in row["examples"]
        ]
        lines.append("")
    return "\n".join(lines)


def html(
    found: Sequence[dict[str, Any]],
    failures: Sequence[Failure],
    labels: Sequence[int],
    features: Vectors,
) -> str:
    """A page with the table and a scatter plot, in which hovering over a point shows its
    failure."""
    points = [
        (float(x), float(y), label, f"{failure.normal} ({failure.run_id})")
        for (x, y), label, failure in zip(plane(features), labels, failures, strict=True)
    ]
    figure = scatter(points, "failures by likeness (principal components); grey: like no others")
    table = [cells(row) for row in found]
    return page("clusters", figure=figure, titles=HEADER, rows=table, clusters=found)


def _most(counts: dict[str, int]) -> str:
    name = max(counts, key=lambda n: counts[n])
    return name if len(counts) == 1 else f"{name} ({counts[name]} of {sum(counts.values())})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
