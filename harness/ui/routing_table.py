"""The routing decisions of a run, with their reasons, as rows and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.ui.live_progress import clean, one_line
from state.opening import existing

SHOWN = 3
"""Scores of a row that the table shows; the rows themselves hold all of them."""


def routing_rows(run_id: str) -> list[dict[str, Any]]:
    """The routing decisions of a run, in order: task, choice, team, path, confidence, cost, scores."""
    with existing() as store:
        if store is None:
            return []
        beads = store.query(run_id=run_id, kind="decision", tier="dispatcher", order="created")
        outcomes = {bead.parent: bead for bead in store.query(run_id=run_id, kind="outcome")}
    rows = []
    for bead in beads:
        order = bead.data["delegation"]
        outcome = outcomes.get(bead.id)
        rows.append(
            {
                "task": bead.data["task"], "specialist": bead.assignee, "team": order["team"],
                "others": order["others"], "path": bead.data["path"],
                "confidence": bead.confidence, "cost": bead.data["cost"],
                "scores": bead.data["scores"],
                "won": outcome.assignee if outcome else None,
                "status": outcome.data["outcome"]["status"] if outcome else None,
            }
        )  # fmt: skip
    return rows


def print_routing(screen: Console, rows: Sequence[dict[str, Any]]) -> None:
    """The rows as a table; ``cost`` in milliseconds."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("task", "chosen", "path", "sure", "ms", "scores", "outcome"):
        table.add_column(name, no_wrap=name in ("path", "sure", "ms"), overflow="fold")
    for row in rows:
        best = sorted(row["scores"].items(), key=lambda item: -item[1])
        scores = ", ".join(f"{name} {score:.3f}" for name, score in best[:SHOWN])
        more = f" +{len(best) - SHOWN}" if len(best) > SHOWN else ""
        sign = " + " if row["team"] == "ensemble" else " > "
        chosen = sign.join((row["specialist"], *row["others"]))
        won = f"{row['won']}: {row['status']}" if row["won"] else "-"
        table.add_row(
            *(
                Text(clean(cell))
                for cell in (
                    one_line(row["task"])[:60], chosen, row["path"], f"{row['confidence']:.2f}",
                    f"{1000 * row['cost']:.1f}", scores + more, won,
                )
            )
        )  # fmt: skip
    screen.print(Text("routing", "bold"))
    screen.print(table)
