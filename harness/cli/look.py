"""Commands that look: runs, doctor, specialist, version; and init, which writes a first file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def help_alone(context: typer.Context) -> None:
    """A group without a command shows its help."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _group(help: str) -> typer.Typer:
    group = typer.Typer(help=help)
    group.callback(invoke_without_command=True)(help_alone)
    return group


runs = _group("Look at runs that were made.")
specialist = _group("Look at the fleet.")


@runs.command("list")
def list_runs(
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List the runs, newest first."""
    from harness.show import print_runs, recorded_runs, run_row
    from state.errors import UsageError

    if limit < 1:
        raise UsageError(f"--limit: should be greater than 0, not {limit}")
    found = recorded_runs(limit)
    if as_json:
        typer.echo(json.dumps([run_row(run) for run in found], ensure_ascii=False))
    else:
        print_runs(found)


@runs.command("show")
def show_run(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id, or its unique beginning.")],
    trace: Annotated[
        bool, typer.Option("--trace", help="Every call in order: prompt and response in full.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show a run: record, plan with artifacts, decisions, calls."""
    from harness.show import print_run, run_record

    record = run_record(run_id, trace=trace)
    if as_json:
        typer.echo(json.dumps(record, ensure_ascii=False))
    else:
        print_run(record, trace=trace)


def doctor(as_json: Json = False) -> None:
    """Check that this machine can do a run, and say what to do where it cannot."""
    from harness.doctor import Finding, examine
    from harness.tables import Cell, Column, show

    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    columns = (Column("", least=4), Column("", least=11), Column("", text=True))
    found: list[Finding] = []
    for finding in examine():
        found.append(finding)
        if not as_json:
            sign = Cell(finding.state, colours[finding.state])
            show(columns, [(sign, finding.name, finding.detail)], head=False)
    works = all(finding.state != "fail" for finding in found)
    if as_json:
        lines = [finding.model_dump() for finding in found]
        typer.echo(json.dumps({"ok": works, "findings": lines}, ensure_ascii=False))
    raise typer.Exit(0 if works else 4)


def init(
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write a commented harness.toml here, every setting at its default."""
    from harness.init import write

    typer.echo(f"wrote {write(Path.cwd(), force=force)}")


def version() -> None:
    """Show the version."""
    from importlib.metadata import version

    typer.echo(f"hi-moe {version('hi-moe')}")


@specialist.command("list")
def list_specialists(as_json: Json = False) -> None:
    """List the specialists that a run would have."""
    from harness.cli.fleet import cards_in_force
    from harness.tables import Column, show

    cards = cards_in_force()
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
def show_specialist(
    name: Annotated[str, typer.Argument(help="As `harness specialist list` shows it.")],
    as_json: Json = False,
) -> None:
    """Show a specialist's card."""
    from harness.cli.fleet import card_in_force
    from harness.tables import Column, show

    card = card_in_force(name)
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
