"""Bead commands that look: ready, blocked, show, list, search, stats."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.bead.options import (
    Assignee,
    Id,
    Label,
    Limit,
    Priority,
    RunId,
    Type,
    limit_of,
    opened,
    priority_of,
    run_of,
)
from harness.cli.look import Json


def ready(
    context: typer.Context,
    type: Type = None,
    priority: Priority = None,
    label: Label = None,
    assignee: Assignee = None,
    run: RunId = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List the work that may be claimed now: unblocked, unclaimed; most urgent first, then oldest."""
    from harness.cli.bead.render import bead_row, print_beads, print_json
    from state.tracker import Tracker

    with opened(context, looking=True) as store:
        beads = Tracker(store).ready(
            run_id=run_of(store, run), kind=type, label=label, assignee=assignee,
            priority=priority_of(priority), limit=limit_of(limit),
        )  # fmt: skip
    if as_json:
        print_json([bead_row(bead) for bead in beads])
    else:
        print_beads(beads, "nothing is ready")


def blocked(
    context: typer.Context, type: Type = None, run: RunId = None, as_json: Json = False
) -> None:
    """List the work that waits, each with what blocks it."""
    from harness.cli.bead.render import bead_row, print_beads, print_json
    from state import graph

    with opened(context, looking=True) as store:
        beads = store.blocked(run_id=run_of(store, run), kind=type)
        held = graph.blockers(store, [bead.id for bead in beads])
    if as_json:
        found = {
            id: [{"id": blocker, "through": above} for blocker, above in pairs]
            for id, pairs in held.items()
        }
        print_json([{**bead_row(bead), "blocked_by": found[bead.id]} for bead in beads])
        return
    why = {
        id: ", ".join(
            blocker if above == id else f"{blocker} (through {above})" for blocker, above in pairs
        )
        or "marked blocked"
        for id, pairs in held.items()
    }
    print_beads(beads, "nothing is blocked", why, "waits for")


def show(context: typer.Context, id: Id, as_json: Json = False) -> None:
    """Show a bead: fields, texts, what it needs and what needs it, comments."""
    from harness.cli.bead.render import detail_row, node_row, print_detail, print_json
    from state import graph
    from state.tracker import Tracker

    with opened(context, looking=True) as store:
        detail = Tracker(store).detail(id)
        tree = graph.tree(store, detail.bead.id)
    if as_json:
        print_json({**detail_row(detail), "tree": node_row(tree)["children"]})
    else:
        print_detail(detail, tree)


def list_beads(
    context: typer.Context,
    status: Annotated[
        str | None,
        typer.Option(
            "--status",
            "-s",
            help="open, in_progress, blocked, deferred, closed, tombstone; several with commas.",
        ),
    ] = None,
    type: Type = None,
    label: Label = None,
    assignee: Assignee = None,
    text: Annotated[
        str | None, typer.Option("--text", help="Only those with this in title or description.")
    ] = None,
    parent: Annotated[
        str | None, typer.Option("--parent", metavar="ID", help="Only the parts of this bead.")
    ] = None,
    run: RunId = None,
    sort: Annotated[
        str, typer.Option("--sort", help="created, updated (newest first) or priority.")
    ] = "created",
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List beads of any status; tombstones only when asked for."""
    from harness.cli.bead.render import bead_row, print_beads, print_json
    from state import BEAD_STATUSES, UsageError
    from state.filters import ORDERS

    if sort not in ORDERS:
        raise UsageError(f"--sort: should be one of {', '.join(ORDERS)}, not {sort!r}")
    visible = [name for name in BEAD_STATUSES if name != "tombstone"]
    with opened(context, looking=True) as store:
        beads = store.query(
            run_id=run_of(store, run), kind=type.split(",") if type else None,
            status=status.split(",") if status else visible, assignee=assignee, label=label,
            parent=parent, text=text, order=sort, limit=limit_of(limit),
        )  # fmt: skip
    if as_json:
        print_json([bead_row(bead) for bead in beads])
    else:
        print_beads(beads, "no beads")


def search(
    context: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(help='Words that must all occur; word* for a beginning, "…" for a phrase.'),
    ],
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """Search titles, descriptions, notes and comments; best matches first."""
    from harness.cli.bead.render import bead_row, print_beads, print_json
    from state.tracker import Tracker

    with opened(context, looking=True) as store:
        beads = Tracker(store).search(" ".join(words), limit_of(limit))
    if as_json:
        print_json([bead_row(bead) for bead in beads])
    else:
        print_beads(beads, "nothing found")


def stats(context: typer.Context, as_json: Json = False) -> None:
    """Count beads by status, type and priority."""
    from dataclasses import asdict

    from harness.cli.bead.render import print_json
    from state.tracker import Tracker

    with opened(context, looking=True) as store:
        numbers = Tracker(store).stats()
    if as_json:
        print_json(asdict(numbers))
        return
    typer.echo(f"{numbers.total:,} beads, {numbers.ready:,} ready, {numbers.blocked:,} blocked")
    for name, counts in (
        ("status", numbers.by_status),
        ("type", numbers.by_kind),
        ("priority", {f"P{p}": n for p, n in numbers.by_priority.items()}),
    ):
        typer.echo(f"{name:<9}" + ("  ".join(f"{k} {n:,}" for k, n in counts.items()) or "-"))
    if numbers.lead_time_s is not None:
        typer.echo(f"lead time {numbers.lead_time_s / 86400:.1f} days on average")
