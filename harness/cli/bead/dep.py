"""``harness bead dep``: dependencies between beads."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.bead.bead_options import Id, complete_id, me
from harness.cli.look import Json, help_alone

dep = typer.Typer(help="Dependencies between beads.")
dep.callback(invoke_without_command=True)(help_alone)

Target = Annotated[
    str,
    typer.Argument(metavar="ON", help="The bead it depends on.", autocompletion=complete_id),
]


@dep.command("add")
def add(
    context: typer.Context,
    id: Id,
    on: Target,
    type: Annotated[
        str,
        typer.Option(
            "--type",
            "-t",
            help="blocks, parent-child, related, discovered-from, conditional-blocks or waits-for.",
        ),
    ] = "blocks",
    as_json: Json = False,
) -> None:
    """Make ID depend on ON: with blocks, it waits until ON is closed."""
    from harness.cli.bead.place import existing
    from harness.cli.bead.render import edge_row, print_json
    from state.tracker import Tracker

    with existing(context, id) as store:
        edge = Tracker(store).depend(id, on, type, me())  # type: ignore[arg-type]
    if as_json:
        print_json(edge_row(edge))
    else:
        typer.echo(f"{edge.from_id} depends on {edge.to_id} ({edge.type})")


@dep.command("remove")
def remove(
    context: typer.Context,
    id: Id,
    on: Target,
    type: Annotated[
        str | None, typer.Option("--type", "-t", help="Only this type (default: all).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove the dependency of ID on ON."""
    from harness.cli.bead.place import existing
    from harness.cli.bead.render import edge_row, print_json
    from state.tracker import Tracker

    with existing(context, id) as store:
        removed = Tracker(store).undepend(id, on, type, me())
    if as_json:
        print_json([edge_row(edge) for edge in removed])
        return
    for edge in removed:
        typer.echo(f"{edge.from_id} no longer depends on {edge.to_id} ({edge.type})")


@dep.command("list")
def list_dependencies(
    context: typer.Context,
    id: Id,
    up: Annotated[bool, typer.Option("--up", help="What depends on it, instead.")] = False,
    type: Annotated[str | None, typer.Option("--type", "-t", help="Only this type.")] = None,
    as_json: Json = False,
) -> None:
    """List what ID depends on, or what depends on it, each with the type of the dependency."""
    from harness.cli.bead.place import existing
    from harness.cli.bead.render import edge_row, print_edges, print_json
    from state.tracker import Tracker

    with existing(context, id) as store:
        detail = Tracker(store).detail(id)
    found = detail.dependents if up else detail.dependencies
    found = [edge for edge in found if type in (None, edge.type)]
    if as_json:
        print_json([edge_row(edge) for edge in found])
    else:
        print_edges(found, detail.related, up=up)


@dep.command("tree")
def tree(
    context: typer.Context,
    id: Id,
    up: Annotated[bool, typer.Option("--up", help="What waits for it, instead.")] = False,
    depth: Annotated[int | None, typer.Option("--depth", help="At most so many levels.")] = None,
    as_json: Json = False,
) -> None:
    """Show what must be done before ID is done: its parts and blockers, and theirs."""
    from harness.cli.bead.place import existing
    from harness.cli.bead.render import node_row, print_json, print_tree
    from state import graph
    from state.errors import UsageError

    if depth is not None and depth < 1:
        raise UsageError(f"--depth: should be greater than 0, not {depth}")
    with existing(context, id) as store:
        node = graph.tree(store, id, up=up, depth=depth)
    if as_json:
        print_json(node_row(node))
    else:
        print_tree(node)


@dep.command("cycles")
def cycles(context: typer.Context, as_json: Json = False) -> None:
    """Find beads that wait for each other in a circle; exit code 1 if there are any."""
    from harness.cli.bead.place import existing, telling
    from harness.cli.bead.render import print_json
    from state import graph
    from state.status import Exit

    with existing(context, absent=telling(as_json)) as store, store.database.reading() as tx:
        circles = graph.cycles(graph.holding_edges(tx))
    if as_json:
        print_json(circles)
    else:
        for circle in circles:
            typer.echo(" → ".join([*circle, circle[0]]))
        if not circles:
            typer.echo("no cycles")
    raise typer.Exit(Exit.UNSOLVED if circles else Exit.DONE)
