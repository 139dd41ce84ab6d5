"""Error clusters as beads: one issue for each kind of failure, however often it occurs."""

from __future__ import annotations

from typing import Any, Literal

from state import Bead, BeadStore

Filed = Literal["opened", "re-opened", "seen again"]
LABEL = "error-cluster"


def file_bead(store: BeadStore, row: dict[str, Any]) -> tuple[str, Filed]:
    """The bead of a cluster (a row of :func:`eval.errors.clusters_report.rows`), and whether it was
    opened, re-opened or seen again.

    A cluster belongs to a bead when they share normal forms (among several beads, to the one that
    shares most), so the same kind of failure never gets a second bead. A closed bead is reopened
    when the cluster occurs in a new run. Its ``data`` links every run in which the kind occurred.
    """
    data = {name: row[name] for name in ("normal", "examples", "origins", "fixes", "trend")}
    known = _known(store, set(row["normals"]))
    if known is None:
        bead = store.create(
            "bug", f"failures: {row['name']}"[:200], key=f"error-cluster|{row['key']}",
            labels=[LABEL], body=_body(row),
            data={**data, "runs": row["runs"], "normals": row["normals"]},
        )  # fmt: skip
        return bead.id, "opened"
    runs = {**known.data["runs"], **row["runs"]}
    normals = list(dict.fromkeys([*known.data["normals"], *row["normals"]]))
    done: Filed = "seen again"
    if known.status == "closed" and set(row["runs"]) - set(known.data["runs"]):
        store.reopen(known.id)
        done = "re-opened"
    merged = {**known.data, **data, "runs": runs, "normals": normals}
    store.update(known.id, body=_body(row), data=merged)
    return known.id, done


def _known(store: BeadStore, normals: set[str]) -> Bead | None:
    beads = [b for b in store.query(kind="bug") if LABEL in b.labels]
    shared = {b.id: len(normals & set(b.data.get("normals", ()))) for b in beads}
    best = max(beads, key=lambda b: shared[b.id], default=None)
    return best if best is not None and shared[best.id] else None


def _body(row: dict[str, Any]) -> str:
    lines = [
        row["normal"],
        "",
        f"{row['size']} failures in {len(row['runs'])} runs: {row['trend']}",
    ]
    lines += [f"- {e['run']}, {e['problem']}: {e['detail']}" for e in row["examples"]]
    return "\n".join(lines)
