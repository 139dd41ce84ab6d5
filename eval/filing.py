"""Error clusters as beads: one issue for each kind of failure, however often it is seen."""

from __future__ import annotations

from typing import Any, Literal

from state import BeadStore, keyed_id
from state.errors import UsageError

Filed = Literal["opened", "re-opened", "seen again"]


def file_bead(store: BeadStore, row: dict[str, Any]) -> tuple[str, Filed]:
    """The bead of a cluster (a row of :func:`eval.errors_report.rows`) and what was done to it.

    The cluster's key is the bead's, so the same kind of failure never gets a second bead; a closed
    one is opened again. Its ``data`` links every run in which the kind was seen.
    """
    key = f"error-cluster|{row['key']}"
    id = keyed_id(key)
    data = {name: row[name] for name in ("normal", "examples", "origins", "fixes", "trend")}
    try:
        known = store.get(id)
    except UsageError:
        bead = store.create(
            "bug", f"failures: {row['name']}"[:200], key=key, labels=["error-cluster"],
            body=_body(row), data={**data, "runs": row["runs"]},
        )  # fmt: skip
        return bead.id, "opened"
    runs = {**known.data.get("runs", {}), **row["runs"]}
    done: Filed = "seen again"
    if known.status == "closed" and set(row["runs"]) - set(known.data.get("runs", {})):
        store.reopen(id)
        done = "re-opened"
    store.update(id, body=_body(row), data={**known.data, **data, "runs": runs})
    return id, done


def _body(row: dict[str, Any]) -> str:
    lines = [
        row["normal"],
        "",
        f"{row['size']} failures in {len(row['runs'])} runs: {row['trend']}",
    ]
    lines += [f"- {e['run']}, {e['problem']}: {e['detail']}" for e in row["examples"]]
    return "\n".join(lines)
