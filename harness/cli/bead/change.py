"""Bead commands that change beads: create, update, claim, close, reopen, comment."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.bead.options import (
    Assignee,
    Id,
    Ids,
    Priority,
    RunId,
    Type,
    complete_id,
    me,
    opened,
    priority_of,
    run_of,
)
from harness.cli.look import Json

if TYPE_CHECKING:
    from state import Bead

LEASE_S = 3600.0

Body = Annotated[str | None, typer.Option("--body", "-d", help="Description; - reads it.")]
Notes = Annotated[str | None, typer.Option("--notes", help="Notes; - reads them.")]
Parent = Annotated[
    str | None,
    typer.Option("--parent", metavar="ID", help="What it is part of.", autocompletion=complete_id),
]
As = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Who (default: HARNESS_ACTOR, login).")
]


def create(
    context: typer.Context,
    title: Annotated[str, typer.Argument(help="One line.")],
    body: Body = None,
    type: Type = "task",
    priority: Priority = "2",
    labels: Annotated[
        list[str] | None, typer.Option("--label", "-l", help="A label; give several times.")
    ] = None,
    parent: Parent = None,
    deps: Annotated[
        list[str] | None,
        typer.Option(
            "--dep",
            metavar="[TYPE:]ID",
            help="What it waits for, or blocks:, related: or discovered-from: an id; several times.",
            autocompletion=complete_id,
        ),
    ] = None,
    assignee: Assignee = None,
    notes: Notes = None,
    as_json: Json = False,
) -> None:
    """Create a bead."""
    from state.models import DEPENDENCY_TYPES
    from state.tracker import Tracker

    needs = []
    for dep in deps or ():
        kind, colon, target = dep.partition(":")
        known = colon and kind in DEPENDENCY_TYPES
        needs.append((target, kind) if known else (dep, "blocks"))
    with opened(context) as store:
        bead = Tracker(store).create(
            type, title, needs, by=me(), body=_text(body) or "", notes=_text(notes) or "",  # type: ignore[arg-type]
            priority=priority_of(priority) or 0, labels=list(dict.fromkeys(labels or ())),
            parent=parent, assignee=assignee,
        )  # fmt: skip
    _say([bead], "created", as_json=as_json, alone=True)


def update(
    context: typer.Context,
    ids: Ids,
    title: Annotated[str | None, typer.Option("--title", help="New title.")] = None,
    body: Body = None,
    notes: Notes = None,
    type: Type = None,
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
        list[str] | None, typer.Option("--add-label", help="Several times.")
    ] = None,
    remove_labels: Annotated[
        list[str] | None, typer.Option("--remove-label", help="Several times.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Change fields of beads."""
    from state import BeadChanges, UsageError
    from state.tracker import Tracker

    given = {
        "title": title, "body": _text(body), "notes": _text(notes), "kind": type,
        "status": status, "priority": priority_of(priority), "assignee": assignee,
    }  # fmt: skip
    changes: BeadChanges = {name: v for name, v in given.items() if v is not None}  # type: ignore[assignment]
    if parent is not None:
        changes["parent"] = None if parent in ("", "none") else parent
    if assignee == "":
        changes["assignee"] = None
    if not changes and not add_labels and not remove_labels:
        raise UsageError("nothing to change; `harness bead update --help` shows what can be")
    with opened(context) as store:
        beads = Tracker(store).update(ids, add_labels or (), remove_labels or (), **changes)
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
    type: Type = None,
    run: RunId = None,
    as_json: Json = False,
) -> None:
    """Take a bead to work on it: of many who try, one gets it."""
    from state import ClaimError, UsageError
    from state.tracker import Tracker

    if (id is None) is not following:
        raise UsageError("claim takes an id, or --next")
    if not 0 < lease < float("inf"):
        raise UsageError(f"--lease: should be a number of seconds greater than 0, not {lease}")
    if renew and id is None:
        raise UsageError("--renew is for a bead that you name, not for --next")
    who = name or me()
    with opened(context) as store:
        if id is None:
            bead = store.claim(assignee=who, lease_s=lease, run_id=run_of(store, run), kind=type)
            if bead is None:
                raise ClaimError("nothing is ready to be claimed")
        elif renew:
            bead = store.get(id)
            if not store.renew(bead.id, who, lease):
                holder = bead.assignee if bead.status == "in_progress" else "nobody"
                raise ClaimError(f"bead {bead.id} is claimed by {holder}, not by {who}")
            bead = store.get(bead.id)
        else:
            bead = Tracker(store).claim(id, assignee=who, lease_s=lease)
    _say([bead], f"{who} has", as_json=as_json, alone=True)


def close(
    context: typer.Context,
    ids: Ids,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why, or how it ended.")] = "",
    as_json: Json = False,
) -> None:
    """Close beads, all or none of them."""
    from state.tracker import Tracker

    with opened(context) as store:
        beads = Tracker(store).close(ids, reason)
    _say(beads, "closed", as_json=as_json)


def reopen(context: typer.Context, ids: Ids, as_json: Json = False) -> None:
    """Open closed beads again, all or none of them."""
    from state.tracker import Tracker

    with opened(context) as store:
        beads = Tracker(store).reopen(ids)
    _say(beads, "reopened", as_json=as_json)


def comment(
    context: typer.Context,
    id: Id,
    text: Annotated[str, typer.Argument(help="What to say; - reads it.")],
    name: As = None,
    as_json: Json = False,
) -> None:
    """Say something about a bead."""
    from harness.cli.bead.render import comment_row, print_json
    from state.tracker import Tracker

    with opened(context) as store:
        said = Tracker(store).comment(id, _text(text) or "", name or me())
    if as_json:
        print_json(comment_row(said))
    else:
        typer.echo(f"commented on {said.bead_id}")


def _say(beads: list[Bead], verb: str, *, as_json: bool, alone: bool = False) -> None:
    from harness.cli.bead.render import bead_row, print_json
    from harness.progress import one_line

    if as_json:
        rows = [bead_row(bead) for bead in beads]
        print_json(rows[0] if alone else rows)
        return
    for bead in beads:
        typer.echo(f"{verb} {bead.id}  {one_line(bead.title)}")


def _text(given: str | None) -> str | None:
    """A text from the command line, or the standard input for ``-``. Raises UsageError."""
    from state.errors import UsageError

    if given != "-":
        return given
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise UsageError("the standard input is not UTF-8 text") from None
