"""Beads as JSON for scripts, and as tables for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from harness.progress import clean, one_line
from harness.view import console

if TYPE_CHECKING:
    from state import Bead, Comment, Dependency
    from state.graph import Node
    from state.tracker import Detail

COLOURS = {
    "open": "", "in_progress": "yellow", "blocked": "red", "deferred": "dim", "closed": "green",
    "tombstone": "dim",
}  # fmt: skip
TIMES = ("created_at", "updated_at", "closed_at", "lease_until")


def print_json(value: Any) -> None:
    """One line of JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def bead_row(bead: Bead) -> dict[str, Any]:
    """A bead as `docs/beads.md` describes it; times in UTC."""
    from state.fields import moment

    row = bead.model_dump()
    return {**row, **{name: moment(row[name]) for name in TIMES}}


def edge_row(edge: Dependency) -> dict[str, Any]:
    """A dependency, likewise."""
    from state.fields import moment

    return {
        "from": edge.from_id, "to": edge.to_id, "type": edge.type,
        "created_at": moment(edge.created_at), "created_by": edge.created_by,
    }  # fmt: skip


def comment_row(comment: Comment) -> dict[str, Any]:
    """A comment, likewise."""
    from state.fields import moment

    return {
        "id": comment.sequence, "bead": comment.bead_id, "author": comment.author,
        "text": comment.text, "created_at": moment(comment.created_at),
    }  # fmt: skip


def node_row(node: Node) -> dict[str, Any]:
    """A tree, likewise."""
    bead = node.bead
    return {
        "id": node.id, "relation": node.relation or None, "title": bead and bead.title,
        "status": bead and bead.status, "kind": bead and bead.kind,
        "priority": bead and bead.priority, "repeated": node.repeated,
        "children": [node_row(child) for child in node.children],
    }  # fmt: skip


def detail_row(detail: Detail) -> dict[str, Any]:
    """A bead with what hangs on it, likewise."""
    return {
        **bead_row(detail.bead),
        "dependencies": [edge_row(edge) for edge in detail.dependencies],
        "dependents": [edge_row(edge) for edge in detail.dependents],
        "comments": [comment_row(comment) for comment in detail.comments],
    }


def print_beads(
    beads: Iterable[Bead], none: str, more: Mapping[str, str] | None = None, head: str = ""
) -> None:
    """A table; ``more`` is a last column with a text for each id, under the title ``head``."""
    rows = list(beads)
    if not rows:
        typer.echo(none)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "p", "type", "status", "assignee", "labels"):
        table.add_column(name, no_wrap=True)
    table.add_column("title", overflow="fold")
    if more is not None:
        table.add_column(head, overflow="fold")
    for bead in rows:
        cells = [
            Text(one_line(bead.id), "bold"), Text(str(bead.priority), "red" * (bead.priority == 0)),
            Text(bead.kind), Text(bead.status, COLOURS[bead.status]),
            Text(one_line(bead.assignee or "-")), Text(one_line(", ".join(bead.labels)) or "-"),
            Text(one_line(bead.title)),
        ]  # fmt: skip
        table.add_row(*cells, *([Text(one_line(more[bead.id]))] if more is not None else []))
    console().print(table)


def print_detail(detail: Detail, tree: Node) -> None:
    """One bead in full."""
    from state.fields import moment

    bead, screen = detail.bead, console()
    screen.print(Text(one_line(f"{bead.id} · {bead.title}"), "bold"), soft_wrap=True)
    lines = {
        "type": bead.kind, "status": bead.status, "priority": str(bead.priority),
        "assignee": bead.assignee, "lease until": moment(bead.lease_until),
        "attempts": str(bead.attempts or ""), "labels": ", ".join(bead.labels),
        "run": bead.run_id, "tier": bead.tier, "created": moment(bead.created_at),
        "updated": moment(bead.updated_at), "closed": moment(bead.closed_at),
        "reason": bead.close_reason,
    }  # fmt: skip
    for name, value in lines.items():
        if value:
            screen.print(Text.assemble((f"{name:<12}", "dim"), one_line(value)), soft_wrap=True)
    for name, text in (("description", bead.body), ("notes", bead.notes), *_texts(bead.extra)):
        if text.strip():
            screen.print(Text(f"\n{name}", "dim"))
            screen.print(Text(clean(text.rstrip())), soft_wrap=True)
    if bead.data:
        screen.print(Text("\ndata", "dim"))
        screen.print(Text(clean(json.dumps(bead.data, ensure_ascii=False, indent=1))))
    if tree.children:
        screen.print(Text("\nneeds", "dim"))
        print_tree(tree)
    if detail.dependents:
        screen.print(Text("\nneeded by", "dim"))
        for edge in detail.dependents:
            other = detail.related.get(edge.from_id)
            says = f"  {edge.from_id}  {edge.type}  {other.title if other else ''}"
            screen.print(Text(one_line(says)), soft_wrap=True)
    for comment in detail.comments:
        says = f"\n{comment.author or '-'} · {moment(comment.created_at)}"
        screen.print(Text(clean(says), "dim"))
        screen.print(Text(clean(comment.text.rstrip())), soft_wrap=True)


def _texts(extra: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Imported fields that people write: design, acceptance criteria, …"""
    from state.jsonl import IMPORTED_TEXTS

    return [(n.replace("_", " "), str(extra[n])) for n in IMPORTED_TEXTS if extra.get(n)]


def print_tree(node: Node) -> None:
    """A tree, one bead a line."""
    top = Tree(_label(node), guide_style="dim")
    work = [(node, top)]
    while work:
        above, branch = work.pop()
        for child in above.children:
            work.append((child, branch.add(_label(child))))
    console().print(top)


def _label(node: Node) -> Text:
    relation = f"{node.relation} " if node.relation not in ("", "part", "part of") else ""
    if node.bead is None:
        return Text.assemble((relation, "dim"), (node.id, "bold"), (" is not here", "red"))
    bead = node.bead
    says = f" {bead.kind} P{bead.priority} {one_line(bead.title)}"
    above = " (see above)" if node.repeated and node.relation else ""
    return Text.assemble(
        (relation, "dim"), (bead.id, "bold"), (f" {bead.status}", COLOURS[bead.status]), says,
        (above, "dim"),
    )  # fmt: skip
