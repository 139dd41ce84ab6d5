"""Bead commands that only read: ready, blocked, show, list, search, due, history, stats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.bead.bead_options import Id, Limit, Narrowing, limit_of, me, narrowed
from harness.cli.look import Json

if TYPE_CHECKING:
    from state import Bead


@narrowed
def ready(
    context: typer.Context, narrowing: Narrowing, limit: Limit = None, as_json: Json = False
) -> None:
    """List the work that may be claimed now: unblocked, unclaimed; most urgent first, then oldest."""
    from harness.cli.bead.place import existing, telling

    with existing(context, absent=telling(as_json)) as store:
        beads = store.ready(limit_of(limit), **narrowing.filters(store))
    _tell(beads, "nothing is ready", as_json)


@narrowed
def blocked(
    context: typer.Context, narrowing: Narrowing, limit: Limit = None, as_json: Json = False
) -> None:
    """List the work that waits, each with what blocks it."""
    from harness.cli.bead.place import existing, telling
    from harness.cli.bead.render import bead_row, print_beads, print_json
    from state import graph

    with existing(context, absent=telling(as_json)) as store:
        beads = store.blocked(limit_of(limit), **narrowing.filters(store))
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
        for id, pairs in held.items()
    }
    says = {id: f"waits for {names}" if names else "marked blocked" for id, names in why.items()}
    print_beads(beads, "nothing is blocked", says)


def show(context: typer.Context, id: Id, as_json: Json = False) -> None:
    """Show a bead: fields, texts, what it needs and what needs it, comments."""
    from harness.cli.bead.place import existing
    from harness.cli.bead.render import detail_row, node_row, print_detail, print_json
    from state import graph
    from state.tracker import Tracker

    with existing(context, id) as store:
        detail = Tracker(store).detail(id)
        tree = graph.tree(store, detail.bead.id)
    if as_json:
        print_json({**detail_row(detail), "tree": node_row(tree)["children"]})
    else:
        print_detail(detail, tree)


@narrowed
def list_beads(
    context: typer.Context,
    narrowing: Narrowing,
    sort: Annotated[
        str, typer.Option("--sort", help="created, updated (newest first), priority or due.")
    ] = "created",
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List beads of any status; tombstones only when asked for."""
    from harness.cli.bead.place import existing, telling
    from state.errors import UsageError
    from state.filters import ORDERS

    if sort not in ORDERS:
        raise UsageError(f"--sort: should be one of {', '.join(ORDERS)}, not {sort!r}")
    with existing(context, absent=telling(as_json)) as store:
        filters = narrowing.filters(store)
        filters["status"] = filters.get("status") or _visible()
        beads = store.query(order=sort, limit=limit_of(limit), **filters)
    _tell(beads, "no beads", as_json)


@narrowed
def search(
    context: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(help='Words that must all occur; word* for a beginning, "…" for a phrase.'),
    ],
    narrowing: Narrowing,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """Search titles, descriptions, notes and comments; best matches first."""
    from harness.cli.bead.place import existing, telling
    from state.tracker import Tracker

    with existing(context, absent=telling(as_json)) as store:
        filters = narrowing.filters(store)
        filters["status"] = filters.get("status") or _visible()
        beads = Tracker(store).search(" ".join(words), limit_of(limit), **filters)
    _tell(beads, "nothing found", as_json)


@narrowed
def due(
    context: typer.Context,
    narrowing: Narrowing,
    id: Annotated[str | None, typer.Argument(metavar="[ID]", help="A bead to give a date.")] = None,
    when: Annotated[
        str | None, typer.Argument(metavar="[WHEN]", help="2025-01-31, tomorrow, +2d; or none.")
    ] = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List unfinished beads by due date, soonest first; or give one a date."""
    from harness.cli.bead.place import existing, telling
    from harness.cli.bead.render import bead_row, print_json
    from harness.cli.bead.when import set_time
    from harness.ui.text_tables import when as shown
    from state.errors import UsageError
    from state.tracker import Tracker

    if id is not None:
        if when is None:
            raise UsageError(f"due {id}: give a date such as tomorrow, or none")
        with existing(context, id) as store:
            at = set_time(when, "WHEN", end_of_day=True)
            (bead,) = Tracker(store).update([id], by=me(), due_at=at)
        if as_json:
            print_json([bead_row(bead)])
        else:
            typer.echo(f"{bead.id} is due {shown(at)}" if at else f"{bead.id} has no due date")
        return
    with existing(context, absent=telling(as_json)) as store:
        filters = narrowing.filters(store)
        filters["due_before"] = filters.get("due_before") or float("1e18")
        beads = store.query(order="due", limit=limit_of(limit), **filters)
    says = {bead.id: f"due {shown(bead.due_at)}" for bead in beads}
    _tell(beads, "nothing is due", as_json, says)


def history(context: typer.Context, id: Id, limit: Limit = None, as_json: Json = False) -> None:
    """Show what happened to a bead: who changed what, and when; the last so many with --limit."""
    from harness.cli.bead.place import existing
    from harness.cli.bead.render import change_row, print_changes, print_json
    from state.tracker import Tracker

    most = limit_of(limit)
    with existing(context, id) as store:
        changes = Tracker(store).history(id)
    changes = changes if most is None else changes[-most:]
    if as_json:
        print_json([change_row(change) for change in changes])
    else:
        print_changes(changes)


def stats(context: typer.Context, as_json: Json = False) -> None:
    """Count beads by status, type and priority."""
    from dataclasses import asdict

    from harness.cli.bead.place import existing, telling
    from harness.cli.bead.render import print_json
    from state.tracker import EMPTY, Tracker

    with existing(context, absent=telling(as_json, asdict(EMPTY))) as store:
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


def _visible() -> list[str]:
    from state.models import BEAD_STATUSES

    return [name for name in BEAD_STATUSES if name != "tombstone"]


def _tell(beads: list[Bead], none: str, as_json: bool, more: dict[str, str] | None = None) -> None:
    from harness.cli.bead.render import bead_row, print_beads, print_json

    if as_json:
        print_json([bead_row(bead) for bead in beads])
    else:
        print_beads(beads, none, more)
