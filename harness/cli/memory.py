"""``harness bead context`` and ``harness bead compact``: what the tiers' memory makes of beads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.bead.options import Id, opened
from harness.cli.look import Json

if TYPE_CHECKING:
    from state.context import Pack


def register(group: typer.Typer) -> None:
    """Add these verbs to a group of bead verbs."""
    group.command("context")(context)
    group.command("compact")(compact)


def context(
    here: typer.Context,
    bead_id: Id,
    limit: Annotated[int, typer.Option("--limit", "-n", help="Most tokens of the pack.")] = 1024,
    recency: Annotated[
        bool, typer.Option("--recency", help="Take the newest beads, whatever they are about.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say of each bead why it is in the pack.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the context pack of a bead: what is worth knowing about it, within a token limit."""
    from harness import settings, wiring
    from state.context import pack
    from state.vectors import Vectors

    in_force = settings.load()
    with opened(here, looking=True) as store:
        found = pack(
            store,
            bead_id,
            limit,
            count_tokens=wiring.open_counter(in_force.backend, in_force.fleet),
            vectors=None if recency else Vectors(store, wiring.open_embedding(in_force.embedder)),
            ranking="recency" if recency else "full",
            decay=in_force.decay,
        )
    if as_json:
        typer.echo(found.model_dump_json())
    elif explain:
        _explain(found)
    else:
        typer.echo(found.text)


def compact(
    here: typer.Context,
    run: Annotated[str, typer.Option("--run", metavar="RUN", help="Id, or its beginning.")],
    as_json: Json = False,
) -> None:
    """Fold the closed beads of a finished run into one summary bead; nothing is deleted."""
    from state.compaction import compact as fold

    with opened(here) as store:
        done = fold(store, run)
    if as_json:
        typer.echo(done.model_dump_json())
    else:
        typer.echo(f"{done.folded} beads folded into {done.summary}, {done.kept} kept as they are")


def _explain(found: Pack) -> None:
    from rich.table import Table
    from rich.text import Text

    from harness.progress import clean, one_line
    from harness.view import console

    screen = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("bead", "tokens", "why", "what"):
        table.add_column(name, justify="right" if name == "tokens" else "left")
    for entry in found.entries:
        cells = (entry.bead_id, str(entry.tokens), entry.why, one_line(entry.line)[:80])
        table.add_row(*(Text(clean(cell)) for cell in cells))
    screen.print(table)
    for left in found.left_out:
        screen.print(Text(f"left out: {clean(left)}", "yellow"))
    screen.print(Text(f"{found.tokens} of {found.limit} tokens", "dim"))
