"""Beads as JSON for scripts, and as tables for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import typer

from harness.ui.live_progress import clean, one_line
from harness.ui.text_tables import Cell, Column, say, show, when

if TYPE_CHECKING:
    from state import Bead, Comment, Dependency
    from state.graph import Node
    from state.models import Change
    from state.tracker import Detail

COLOURS = {"in_progress": "yellow", "blocked": "red", "closed": "green"}
TIMES = ("created_at", "updated_at", "closed_at", "lease_until", "due_at", "defer_until")


def print_json(value: Any) -> None:
    """Print a value as one line of JSON; a lone surrogate, which older imports may contain, is
    escaped."""
    text = json.dumps(value, ensure_ascii=False)
    typer.echo(text.encode(errors="backslashreplace").decode())


def bead_row(bead: Bead) -> dict[str, Any]:
    """A bead as `docs/beads.md` describes it; times in UTC."""
    from state.fields import moment

    row = bead.model_dump()
    return {**row, **{name: moment(row[name]) for name in TIMES}}


def edge_row(edge: Dependency) -> dict[str, Any]:
    """A dependency as `docs/beads.md` describes it; times in UTC."""
    from state.fields import moment

    return {
        "from": edge.from_id, "to": edge.to_id, "type": edge.type,
        "created_at": moment(edge.created_at), "created_by": edge.created_by,
    }  # fmt: skip


def comment_row(comment: Comment) -> dict[str, Any]:
    """A comment as `docs/beads.md` describes it; times in UTC."""
    from state.fields import moment

    return {
        "id": comment.sequence, "bead": comment.bead_id, "author": comment.author,
        "text": comment.text, "created_at": moment(comment.created_at),
    }  # fmt: skip


def node_row(node: Node) -> dict[str, Any]:
    """A tree as `docs/beads.md` describes it."""
    bead = node.bead
    return {
        "id": node.id, "relation": node.relation or None, "title": bead and bead.title,
        "status": bead and bead.status, "kind": bead and bead.kind,
        "priority": bead and bead.priority, "repeated": node.repeated,
        "children": [node_row(child) for child in node.children],
    }  # fmt: skip


def detail_row(detail: Detail) -> dict[str, Any]:
    """A bead with its dependencies and comments, as `docs/beads.md` describes it; times in UTC."""
    return {
        **bead_row(detail.bead),
        "dependencies": [edge_row(edge) for edge in detail.dependencies],
        "dependents": [edge_row(edge) for edge in detail.dependents],
        "comments": [comment_row(comment) for comment in detail.comments],
    }


def change_row(change: Change) -> dict[str, Any]:
    """A change of a bead as `docs/beads.md` describes it; times in UTC."""
    from state.fields import moment

    row = change.model_dump(("sequence",))
    return {"bead": row.pop("bead_id"), **row, "at": moment(change.at)}


COLUMNS = (
    Column("id"),
    Column("p", rank=1),
    Column("type", rank=2),
    Column("status", rank=3),
    Column("assignee", rank=4),
    Column("labels", rank=5),
    Column("title", text=True),
)


def print_beads(beads: Iterable[Bead], none: str, more: Mapping[str, str] | None = None) -> None:
    """Print a table of beads; ``more`` gives text in brackets behind the title, by id."""
    rows = [_cells(bead, more) for bead in beads]
    if rows:
        show(COLUMNS, rows)
    else:
        say(none)


def _cells(bead: Bead, more: Mapping[str, str] | None) -> tuple[str | Cell, ...]:
    title = one_line(bead.title) + (f" ({one_line(more[bead.id])})" if more is not None else "")
    return (
        Cell(one_line(bead.id), bold=True), Cell(str(bead.priority), "red" * (not bead.priority)),
        bead.kind, Cell(bead.status, COLOURS.get(bead.status)), one_line(bead.assignee or "-"),
        one_line(", ".join(bead.labels)) or "-", title,
    )  # fmt: skip


def print_edges(edges: Iterable[Dependency], beads: Mapping[str, Bead], *, up: bool) -> None:
    """Print a table of dependencies, each with the other bead and its title."""
    rows = []
    for edge in edges:
        id = edge.from_id if up else edge.to_id
        other = beads.get(id)
        status, title = (other.status, one_line(other.title)) if other else ("-", "(not here)")
        rows.append((Cell(one_line(id), bold=True), edge.type, status, title))
    if rows:
        show((Column("id"), Column("type"), Column("status", 1), Column("title", text=True)), rows)
    else:
        say("nothing depends on it" if up else "it depends on nothing")


def print_changes(changes: Iterable[Change]) -> None:
    """Print changes of a bead, one line each."""
    rows = [(when(c.at), one_line(c.author or "-"), _happened(c)) for c in changes]
    show((Column("when"), Column("who"), Column("what", text=True)), rows)


def _happened(change: Change) -> str:
    old, new = (one_line(text)[:60] if text else "nothing" for text in (change.old, change.new))
    why = f" ({one_line(change.note)})" if change.note else ""
    match change.what:
        case "created" | "claimed":
            return change.what
        case "imported":
            return f"imported: {one_line(change.new)}" if change.new else "imported"
        case "comment":
            return f"said: {new}"
        case "dependency":
            return f"no longer depends: {old}" if change.old else f"depends: {new}"
        case what:
            return f"{what.replace('_', ' ')}: {old} → {new}{why}"


def print_detail(detail: Detail, tree: Node) -> None:
    """Print one bead in full."""
    from state.rules import unoffered

    bead = detail.bead
    _line(one_line(f"{bead.id} · {bead.title}"), bold=True)
    lines = {
        "type": bead.kind, "status": bead.status, "priority": str(bead.priority),
        "assignee": bead.assignee, "lease until": when(bead.lease_until),
        "attempts": str(bead.attempts or ""), "labels": ", ".join(bead.labels),
        "run": bead.run_id, "tier": bead.tier, "created": when(bead.created_at),
        "updated": when(bead.updated_at), "closed": when(bead.closed_at),
        "reason": bead.close_reason, "due": when(bead.due_at),
        "deferred": f"until {when(bead.defer_until)}" if bead.defer_until else "",
        "set aside": f"as {why}, so never offered" if (why := unoffered(bead)) else "",
        "deleted": _deleted(bead),
    }  # fmt: skip
    rows = [(name, one_line(value)) for name, value in lines.items() if value]
    show((Column("", least=11), Column("", text=True)), rows, head=False)
    for name, text in (("description", bead.body), ("notes", bead.notes), *_texts(bead.extra)):
        if text.strip():
            _line(f"\n{name}", dim=True)
            _line(text.rstrip())
    if bead.data:
        _line("\ndata", dim=True)
        _line(json.dumps(bead.data, ensure_ascii=False, indent=1))
    if tree.children:
        _line("\nneeds", dim=True)
        print_tree(tree)
    if detail.dependents:
        _line("\nneeded by", dim=True)
        for edge in detail.dependents:
            other = detail.related.get(edge.from_id)
            _line("  " + one_line(f"{edge.from_id}  {edge.type}  {other.title if other else ''}"))
    for comment in detail.comments:
        _line(f"\n{comment.author or '-'} · {when(comment.created_at)}", dim=True)
        _line(comment.text.rstrip())


def _line(text: str, *, bold: bool = False, dim: bool = False) -> None:
    typer.echo(typer.style(clean(text), bold=bold or None, dim=dim or None))


def _deleted(bead: Bead) -> str:
    if bead.status != "tombstone":
        return ""
    by, reason = bead.extra.get("deleted_by"), bead.extra.get("delete_reason")
    return (
        " ".join(filter(None, (f"by {by}" if by else "", f"({reason})" if reason else ""))) or "yes"
    )


def _texts(extra: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Imported texts that people write: design, acceptance criteria, …"""
    from state.jsonl import IMPORTED_TEXTS

    return [(n.replace("_", " "), str(extra[n])) for n in IMPORTED_TEXTS if extra.get(n)]


def print_tree(node: Node) -> None:
    """Print a tree, one bead a line."""
    work = [(node, "", "")]
    while work:
        at, before, below = work.pop()
        typer.echo(typer.style(before, dim=True) + _label(at))
        last = len(at.children) - 1
        work += [
            (child, below + ("└── " if k == last else "├── "), below + ("│   ", "    ")[k == last])
            for k, child in reversed(list(enumerate(at.children)))
        ]


def _label(node: Node) -> str:
    relation = f"{node.relation} " if node.relation not in ("", "part", "part of") else ""
    start = typer.style(relation, dim=True) + typer.style(one_line(node.id), bold=True)
    if node.bead is None:
        return start + typer.style(" is not here", fg="red")
    bead = node.bead
    says = f" {bead.kind} P{bead.priority} {one_line(bead.title)}"
    above = " (see above)" if node.repeated and node.relation else ""
    status = typer.style(f" {bead.status}", fg=COLOURS.get(bead.status))
    return start + status + says + typer.style(above, dim=True)
