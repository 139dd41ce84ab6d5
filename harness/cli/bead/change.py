"""Bead commands that change beads: create, update, claim, close, reopen, delete, due, comment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.bead.bead_options import (
    Assignee,
    Defer,
    Due,
    Id,
    Ids,
    Kind,
    Kinds,
    LabelFilter,
    Part,
    Priority,
    RunId,
    complete_id,
    me,
    priority_of,
    run_of,
    split,
    text_of,
)
from harness.cli.look import Json

if TYPE_CHECKING:
    from state import Bead

LEASE_S = 3600.0

Body = Annotated[
    str | None, typer.Option("--description", "--body", "-d", help="Description; - reads it.")
]
Notes = Annotated[str | None, typer.Option("--notes", help="Notes; - reads them.")]
Parent = Annotated[
    str | None,
    typer.Option("--parent", metavar="ID", help="What it is part of.", autocompletion=complete_id),
]
As = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Who (default: HARNESS_ACTOR, login).")
]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why, or how it ended.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Even if others hold it or need it.")]


def create(
    context: typer.Context,
    title: Annotated[str, typer.Argument(help="One line.")],
    body: Body = None,
    type: Kind = "task",
    priority: Priority = "2",
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", "--labels", "-l", help="Labels, with commas or several times."),
    ] = None,
    parent: Parent = None,
    deps: Annotated[
        list[str] | None,
        typer.Option(
            "--dep",
            "--deps",
            metavar="[TYPE:]ID",
            help="What it waits for, or blocks:, related:, discovered-from: and an id; with "
            "commas or several times.",
            autocompletion=complete_id,
        ),
    ] = None,
    assignee: Assignee = None,
    notes: Notes = None,
    due: Due = None,
    defer: Defer = None,
    as_json: Json = False,
) -> None:
    """Create a bead."""
    from harness.cli.bead.place import made
    from harness.cli.bead.when import set_time
    from state.models import DEPENDENCY_TYPES
    from state.rules import refuse_kind
    from state.tracker import Tracker

    kind = type or "task"
    refuse_kind(kind)
    needs = []
    for dep in split(deps):
        how, colon, target = dep.partition(":")
        known = colon and how in DEPENDENCY_TYPES
        needs.append((target, how) if known else (dep, "blocks"))
    fields = {
        "body": text_of(body) or "", "notes": text_of(notes) or "", "parent": parent,
        "priority": priority_of(priority) or 0, "labels": split(labels), "assignee": assignee,
        "due_at": set_time(due, "--due", end_of_day=True), "defer_until": set_time(defer, "--defer"),
    }  # fmt: skip
    with made(context) as store:
        bead = Tracker(store).create(kind, title, needs, by=me(), **fields)  # type: ignore[arg-type]
    _say([bead], "created", as_json=as_json, alone=True)


def update(
    context: typer.Context,
    ids: Ids,
    title: Annotated[str | None, typer.Option("--title", help="New title.")] = None,
    body: Body = None,
    notes: Notes = None,
    type: Kind = None,
    status: Annotated[
        str | None,
        typer.Option("--status", "-s", help="open (frees it), in_progress, blocked, deferred, …"),
    ] = None,
    priority: Priority = None,
    assignee: Assignee = None,
    parent: Annotated[
        str | None,
        typer.Option("--parent", metavar="ID", help="What it is part of; none for nothing."),
    ] = None,
    add_labels: Annotated[
        list[str] | None, typer.Option("--add-label", help="With commas or several times.")
    ] = None,
    remove_labels: Annotated[
        list[str] | None, typer.Option("--remove-label", help="With commas or several times.")
    ] = None,
    due: Due = None,
    defer: Defer = None,
    as_json: Json = False,
) -> None:
    """Change fields of beads."""
    from harness.cli.bead.place import existing
    from harness.cli.bead.when import set_time
    from state import BeadChanges, UsageError
    from state.tracker import Tracker

    given = {
        "title": title, "body": text_of(body), "notes": text_of(notes), "kind": type,
        "status": status, "priority": priority_of(priority), "assignee": assignee,
    }  # fmt: skip
    changes: BeadChanges = {name: v for name, v in given.items() if v is not None}  # type: ignore[assignment]
    if parent is not None:
        changes["parent"] = None if parent in ("", "none") else parent
    if due is not None:
        changes["due_at"] = set_time(due, "--due", end_of_day=True)
    if defer is not None:
        changes["defer_until"] = set_time(defer, "--defer")
    if assignee == "":
        changes["assignee"] = None
    add, remove = split(add_labels), split(remove_labels)
    if not changes and not add and not remove:
        raise UsageError("nothing to change; `harness bead update --help` shows what can be")
    with existing(context, *ids) as store:
        beads = Tracker(store).update(ids, add, remove, by=me(), **changes)
    _say(beads, "updated", as_json=as_json)


def claim(
    context: typer.Context,
    id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="Which bead; or --next.", autocompletion=complete_id),
    ] = None,
    following: Annotated[
        bool, typer.Option("--next", help="Whatever is ready and most urgent.")
    ] = False,
    name: As = None,
    lease: Annotated[
        float, typer.Option("--lease", metavar="S", help="Seconds until others may take it.")
    ] = LEASE_S,
    renew: Annotated[
        bool, typer.Option("--renew", help="Extend your lease on a claimed bead.")
    ] = False,
    type: Kinds = None,
    priority: Priority = None,
    label: LabelFilter = None,
    parent: Part = None,
    run: RunId = None,
    as_json: Json = False,
) -> None:
    """Take a bead to work on it: of many who try, one gets it."""
    from harness.cli.bead.place import existing
    from state import ClaimError, UsageError
    from state.tracker import Tracker

    if (id is None) is not following:
        raise UsageError("claim takes an id, or --next")
    if not 0 < lease < float("inf"):
        raise UsageError(f"--lease: should be a number of seconds greater than 0, not {lease}")
    if renew and id is None:
        raise UsageError("--renew is for a bead that you name, not for --next")
    who = name or me()

    def absent(note: str) -> None:
        raise ClaimError(f"nothing is ready to be claimed: {note}")

    with existing(context, *([id] if id else []), absent=None if id else absent) as store:
        if id is None:
            bead = Tracker(store).claim(
                assignee=who, lease_s=lease, run_id=run_of(store, run), kind=split([type]) or None,
                priority=priority_of(priority), label=split(label), parent=parent,
            )  # fmt: skip
        elif renew:
            bead = store.get(id)
            if not store.renew(bead.id, who, lease):
                holder = bead.assignee if bead.status == "in_progress" else None
                raise ClaimError(f"bead {bead.id} is claimed by {holder or 'nobody'}, not by {who}")
            bead = store.get(bead.id)
        else:
            bead = Tracker(store).claim(id, assignee=who, lease_s=lease)
    _say([bead], f"{who} has", as_json=as_json, alone=True)


def close(
    context: typer.Context,
    ids: Ids,
    reason: Reason = "",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Close beads, all or none of them; not an epic with open parts, and not what waits."""
    from harness.cli.bead.place import existing
    from state.tracker import Tracker

    with existing(context, *ids) as store:
        beads = Tracker(store).close(ids, reason, by=me(), force=force)
    _say(beads, "closed", as_json=as_json)


def reopen(context: typer.Context, ids: Ids, as_json: Json = False) -> None:
    """Open closed beads again, all or none of them; deleted ones too."""
    from harness.cli.bead.place import existing
    from state.tracker import Tracker

    with existing(context, *ids) as store:
        beads = Tracker(store).reopen(ids, by=me())
    _say(beads, "reopened", as_json=as_json)


def delete(
    context: typer.Context,
    ids: Ids,
    reason: Reason = "",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Delete beads, all or none of them: what remains is a tombstone, which `reopen` undoes."""
    from harness.cli.bead.place import existing
    from state.tracker import Tracker

    with existing(context, *ids) as store:
        beads = Tracker(store).delete(ids, reason, by=me(), force=force)
    _say(beads, "deleted", as_json=as_json)


def comment(
    context: typer.Context,
    id: Id,
    text: Annotated[str, typer.Argument(help="What to say; - reads it.")],
    name: As = None,
    as_json: Json = False,
) -> None:
    """Say something about a bead."""
    from harness.cli.bead.place import existing
    from harness.cli.bead.render import comment_row, print_json
    from state.tracker import Tracker

    with existing(context, id) as store:
        said = Tracker(store).comment(id, text_of(text) or "", name or me())
    if as_json:
        print_json(comment_row(said))
    else:
        typer.echo(f"commented on {said.bead_id}")


def _say(beads: list[Bead], verb: str, *, as_json: bool, alone: bool = False) -> None:
    from harness.cli.bead.render import bead_row, print_json
    from harness.ui.live_progress import one_line

    if as_json:
        rows = [bead_row(bead) for bead in beads]
        print_json(rows[0] if alone else rows)
        return
    for bead in beads:
        typer.echo(f"{verb} {bead.id}  {one_line(bead.title)}")
