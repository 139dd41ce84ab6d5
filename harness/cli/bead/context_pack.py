"""``harness bead context`` and ``harness bead compact``: context packs and summaries of beads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.bead.bead_options import Id
from harness.cli.look import Json

if TYPE_CHECKING:
    from state.context import Pack


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
    from harness.cli.bead.place import existing
    from state.context import pack
    from state.vectors import Vectors

    in_force = settings.load()
    with existing(here, bead_id) as store:
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
    from harness.cli.bead.place import existing
    from state.compaction import compact as fold
    from state.errors import UsageError

    def absent(note: str) -> None:
        raise UsageError(f"unknown run id {run!r}: {note}")

    with existing(here, absent=absent) as store:
        done = fold(store, run)
    if as_json:
        typer.echo(done.model_dump_json())
    else:
        typer.echo(f"{done.folded} beads folded into {done.summary}, {done.kept} kept as they are")


def _explain(found: Pack) -> None:
    from harness.ui.live_progress import one_line
    from harness.ui.text_tables import Column, say, show

    columns = (
        Column("bead"),
        Column("tokens", right=True),
        Column("why", rank=1),
        Column("what", text=True),
    )
    show(
        columns,
        [(e.bead_id, str(e.tokens), e.why, one_line(e.line)[:80]) for e in found.entries],
    )
    for left in found.left_out:
        say(f"left out: {one_line(left)}")
    say(f"{found.tokens} of {found.limit} tokens")
