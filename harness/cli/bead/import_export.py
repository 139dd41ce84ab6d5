"""Bead commands about the store as a whole: export, import, doctor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.bead.bead_options import Kinds, me, run_of, split
from harness.cli.look import Json


def export(
    context: typer.Context,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where to; - is the output.")
    ] = "-",
    type: Kinds = None,
    status: Annotated[str | None, typer.Option("--status", "-s", help="Only this status.")] = None,
    run: Annotated[
        str, typer.Option("--run", metavar="RUN", help="Only those of this run.")
    ] = "all",
    as_json: Json = False,
) -> None:
    """Write beads as JSON lines, in the order of their ids; with a file, it is replaced whole."""
    from harness.cli.bead.place import existing
    from harness.cli.bead.render import print_json
    from harness.files import write_whole
    from state import UsageError, exchange

    if as_json and output == "-":
        raise UsageError("export writes JSON lines; --json tells what was written with -o FILE")
    kinds, statuses = split([type]) or None, split([status]) or None

    def absent(note: str) -> None:
        if as_json:
            print_json({"file": None, "beads": 0})
        else:  # Standard output is reserved for the issues.
            typer.echo(note, err=True)

    with existing(context, absent=absent) as store:
        made = exchange.export(store, run_id=run_of(store, run), kind=kinds, status=statuses)
    if output == "-":
        for line in made.lines:
            sys.stdout.buffer.write(f"{line}\n".encode())
        sys.stdout.buffer.flush()
        return
    write_whole(Path(output), made.lines)
    others = len(made.header) + len(made.others)
    if as_json:
        print_json({"file": output, "beads": len(made.beads)})
    else:
        counts = [
            _count(len(made.beads), "bead"),
            *([_count(others, "other line")] if others else []),
        ]
        typer.echo(f"wrote {' and '.join(counts)} to {output}")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)


def import_issues(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON lines; - is the input.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Merge beads from JSON lines: the newest version of each wins, all lines or none are taken."""
    from dataclasses import asdict

    from harness.cli.bead.place import made, tried
    from harness.cli.bead.render import print_json
    from state.exchange import import_lines

    lines = _read(file)
    with tried(context) if dry_run else made(context) as store:
        report = import_lines(store, lines, file, dry_run=dry_run, by=me())
    if as_json:
        dangling = [{"from": f, "to": t, "type": type} for f, t, type in report.dangling]
        print_json({**asdict(report), "dangling": dangling, "dry_run": dry_run})
        return
    would = "would have " if dry_run else ""
    typer.echo(
        f"{would}created {len(report.created):,}, updated {len(report.updated):,}, "
        f"unchanged {report.unchanged:,}, comments {report.comments:,}, "
        f"conflicts {len(report.conflicts):,}"
    )
    for conflict in report.conflicts:
        why = "older than the store's" if conflict.why == "older" else "of the same time"
        typer.echo(
            f"conflict: line {conflict.line}, {conflict.id} is {why} but differs in "
            f"{', '.join(conflict.fields)}; kept the store's"
        )
    for what, number in report.kept.items():
        lines_are = "line is" if number == 1 else "lines are"
        typer.echo(f"note: {number:,} {lines_are} no issue but a {what}; kept for the next export")
    for source, target, type in report.dangling:
        typer.echo(f"note: {source} depends on {target} ({type}), which is not here")


def _read(file: str) -> list[bytes]:
    from state.errors import UsageError

    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
    return content.split(b"\n")


def doctor(
    context: typer.Context,
    fix: Annotated[bool, typer.Option("--fix", help="Put right what needs no judgement.")] = False,
    as_json: Json = False,
) -> None:
    """Look for what is wrong with the store; exit code 1 if something is, and stays so."""
    from dataclasses import asdict

    from harness.cli.bead.place import existing, telling
    from harness.cli.bead.render import print_json
    from harness.ui.text_tables import Cell, Column, show
    from state import health
    from state.status import Exit

    empty = {"ok": True, "checks": []}
    with existing(context, absent=telling(as_json, empty)) as store:
        checks = health.examine(store, fix=fix)
    sound = all(check.ok for check in checks)
    if as_json:
        print_json({"ok": sound, "checks": [asdict(check) for check in checks]})
    else:
        signs = {
            check.name: Cell("fixed", "yellow") if check.fixed
            else Cell("ok", "green") if check.ok else Cell("fail", "red")
            for check in checks
        }  # fmt: skip
        columns = (Column("", least=5), Column("", least=10), Column("", text=True))
        show(columns, [(signs[c.name], c.name, c.detail) for c in checks], head=False)
    raise typer.Exit(Exit.DONE if sound else Exit.UNSOLVED)
