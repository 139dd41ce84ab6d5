"""``harness specialist``: lists the fleet, and adds a user's own adapters to a fleet."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Flags, Json, group, model_options

specialist = group("Look at the fleet, and make one of your own adapters.")


@specialist.command("list")
@model_options("record")
def list_specialists(*, flags: Flags, as_json: Json = False) -> None:
    """List the specialists that a run would have."""
    from harness.cli.cards_in_force import cards_in_force
    from harness.ui.text_tables import Column, show

    cards = cards_in_force(flags)
    if as_json:
        typer.echo(json.dumps([card.model_dump(mode="json") for card in cards], ensure_ascii=False))
        return
    columns = (
        Column("name"),
        Column("domain", rank=3),
        Column("rank", rank=2, right=True),
        Column("status", rank=1),
        Column("adapter"),
        Column("description", text=True),
    )
    show(
        columns,
        [
            (c.name, c.domain, str(c.rank or "-"), c.status, c.adapter or "-", c.description)
            for c in cards
        ],
    )


@specialist.command("show")
@model_options("record")
def show_specialist(
    name: Annotated[str, typer.Argument(help="As `harness specialist list` shows it.")],
    *,
    flags: Flags,
    as_json: Json = False,
) -> None:
    """Show a specialist's card."""
    from harness.cli.cards_in_force import card_in_force
    from harness.ui.text_tables import Column, show

    card = card_in_force(name, flags)
    if as_json:
        typer.echo(card.model_dump_json())
        return
    rows = []
    for field, value in card.model_dump(mode="json").items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {number:g}" for key, number in value.items())
        if isinstance(value, list):
            value = ("\n" if field == "examples" else ", ").join(value)
        rows.append((field, "-" if value in (None, "") else str(value)))
    show((Column(""), Column("", text=True)), rows, head=False)


Fleet = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Folder with adapters/ (and base/); or set it in harness.toml."
    ),
]


def _fleet(given: Path | None) -> Path:
    """The user's own fleet. Raises UsageError where there is none, because the embedded one is
    fixed."""
    from harness import settings
    from harness.wiring import POCKET
    from state.errors import UsageError

    chosen = str(given) if given is not None else settings.load().fleet
    if chosen is None or chosen == POCKET:
        raise UsageError(
            "say which fleet: --fleet DIR, a folder that holds adapters/ and, to run it in this "
            "process, base/; the embedded fleet cannot be changed"
        )
    return Path(chosen).expanduser()


@specialist.command("add")
def add(
    adapter: Annotated[Path, typer.Argument(metavar="DIR", help="A folder as peft saves it.")],
    fleet: Fleet = None,
    name: Annotated[
        str | None, typer.Option(metavar="N", help="Its name; by default the folder's.")
    ] = None,
    domain: Annotated[
        str | None,
        typer.Option(metavar="D", help="What it is for, in a word; by default its name."),
    ] = None,
    description: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What it does; routing reads it.")
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Tasks it is for: one a line, or .json or .jsonl."),
    ] = None,
    system: Annotated[
        str | None, typer.Option(metavar="TEXT", help="System message it was trained with.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Longest answer to ask of it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take a plain peft adapter into a fleet; base, rank, modules and digest are read from it."""
    from specialists.admission import add as admit
    from specialists.admission import read_examples

    home = _fleet(fleet)
    card = admit(
        adapter, home, name=name, domain=domain, description=description, system=system,
        examples=read_examples(examples) if examples else (), max_tokens=max_tokens,
    )  # fmt: skip
    if as_json:
        typer.echo(card.model_dump_json())
        return
    base = (
        f"base {card.base}" if card.base else f"no base model at {home / 'base'} to check against"
    )
    typer.echo(f"added {card.name} {card.adapter} to {home}: rank {card.rank}, {base}")
    if not card.examples:
        typer.echo("routing knows its description only: --examples FILE tells what it is for")


@specialist.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="As `harness specialist list --fleet DIR` shows it.")],
    fleet: Fleet = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete a specialist's folder, weights included, from a fleet."""
    from specialists.admission import remove as dismiss
    from state.errors import UsageError

    home = _fleet(fleet)
    if not yes:
        if not sys.stdin.isatty() or as_json:
            raise UsageError(f"removing deletes {home / 'adapters' / name}: say --yes")
        typer.confirm(f"delete {home / 'adapters' / name}?", abort=True)
    gone = dismiss(home, name)
    typer.echo(json.dumps({"removed": name}) if as_json else f"removed {gone}")


@specialist.command("check")
@model_options("record")
def check(*, flags: Flags, as_json: Json = False) -> None:
    """Check every specialist of a fleet: card, weights, fit to the base, and to the endpoint."""
    import asyncio

    from harness import settings
    from harness.wiring import folders, open_backend
    from specialists.admission import examine
    from state.errors import HarnessError
    from state.status import Exit

    in_force = settings.load(flags)
    home = folders(in_force.fleet)[1].parent
    rows = [{"name": name, "ok": fault is None, "fault": fault} for name, fault in examine(home)]
    if in_force.backend == "openai" and all(row["ok"] for row in rows):

        async def served() -> None:
            backend, _ = await open_backend(in_force.options())
            await backend.close()

        try:
            asyncio.run(served())
            rows.append({"name": f"endpoint {in_force.base_url}", "ok": True, "fault": None})
        except HarnessError as error:
            rows.append({"name": f"endpoint {in_force.base_url}", "ok": False, "fault": str(error)})
    works = bool(rows) and all(row["ok"] for row in rows)
    if as_json:
        typer.echo(json.dumps({"ok": works, "specialists": rows}, ensure_ascii=False))
    else:
        for row in rows or [{"name": str(home), "ok": False, "fault": "holds no specialist"}]:
            typer.echo(f"{'ok  ' if row['ok'] else 'fail'}  {row['name']}"
                       + (f": {row['fault']}" if row["fault"] else ""))  # fmt: skip
    raise typer.Exit(Exit.DONE if works else Exit.SETUP)
