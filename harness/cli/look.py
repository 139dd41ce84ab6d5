"""Commands that only read: runs, doctor, version; and init, which writes a first settings file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Flags, group, model_options
from harness.cli.options import Json as Json
from harness.cli.options import help_alone as help_alone

runs = group("Look at runs that were made.")


@runs.command("list")
def list_runs(
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List the runs, newest first."""
    from harness.ui.run_history import print_runs
    from harness.ui.run_records import recorded_runs, run_row
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
    from harness.ui.run_history import print_run
    from harness.ui.run_records import run_record

    record = run_record(run_id, trace=trace)
    if as_json:
        typer.echo(json.dumps(record, ensure_ascii=False))
    else:
        print_run(record, trace=trace)


@model_options("record")
def doctor(*, flags: Flags, as_json: Json = False) -> None:
    """Check that this machine can do a run, and say what to do where it cannot."""
    from harness.doctor import Finding, examine
    from harness.ui.text_tables import Cell, Column, show
    from state.status import Exit

    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    columns = (Column("", least=4), Column("", least=11), Column("", text=True))
    found: list[Finding] = []
    for finding in examine(flags):
        found.append(finding)
        if not as_json:
            sign = Cell(finding.state, colours[finding.state])
            show(columns, [(sign, finding.name, finding.detail)], head=False)
    works = all(finding.state != "fail" for finding in found)
    if as_json:
        lines = [finding.model_dump() for finding in found]
        typer.echo(json.dumps({"ok": works, "findings": lines}, ensure_ascii=False))
    raise typer.Exit(Exit.DONE if works else Exit.SETUP)


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
