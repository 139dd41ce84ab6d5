"""``harness export``: training data from recorded runs, as files for trainers and for Inspect."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.look import help_alone

if TYPE_CHECKING:
    from state import BeadStore, Run

export = typer.Typer(help="Write training rows and evaluation logs from recorded runs.")
export.callback(invoke_without_command=True)(help_alone)

File = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="File to write; - prints.")
]
Folder = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the logs.")]
RunIds = Annotated[
    list[str] | None,
    typer.Option("--run", metavar="RUN", help="Run to read; may be repeated. Default: all."),
]
Suite = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Only problems of this suite, such as horizon/16."),
]
Specialist = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only answers by this specialist.")
]
Split = Annotated[str, typer.Option(help="train, eval or all; a problem is in one of the two.")]
HeldOut = Annotated[float, typer.Option("--held-out", help="Share of the problems for eval.")]
Json = Annotated[bool, typer.Option("--json", help="Print what was written as one JSON object.")]

ROWS = {
    "sft": "Prompts with their verified answers, for supervised training.",
    "dpo": "Verified against failed answers to the same prompt, for preference training.",
    "router": "Routing decisions with scores, outcome and cost.",
    "repair": "Failed answers, the public check that failed, and the verified answer.",
}


def _command(kind: str) -> Callable[..., None]:
    def command(
        output: File,
        run: RunIds = None,
        suite: Suite = None,
        specialist: Specialist = None,
        split: Split = "train",
        held_out: HeldOut = 0.2,
        as_json: Json = False,
    ) -> None:
        from eval.export import collect
        from harness.files import write_whole
        from state.errors import UsageError

        printed = str(output) == "-"
        if printed and as_json:
            raise UsageError("-o - prints the rows themselves: leave out --json")
        with _chosen(run, suite) as (store, runs):
            found = collect(
                store, runs, kind, specialist=specialist, split=split, held_out=held_out
            )
        if printed:
            for row in found.rows:
                typer.echo(json.dumps(row, ensure_ascii=False))
            return
        write_whole(output, (json.dumps(row, ensure_ascii=False) for row in found.rows))
        if as_json:
            summary = {
                "kind": kind, "file": str(output), "rows": len(found.rows), **found.parts,
                "runs": found.runs, "problems": found.problems, "duplicates": found.duplicates,
                "overlaps": found.overlaps,
            }  # fmt: skip
            typer.echo(json.dumps(summary, ensure_ascii=False))
            return
        parts = ", ".join(
            f"{rows:,} {part} rows of {found.problems[part]:,} problems"
            for part, rows in found.parts.items()
            if rows
        )
        typer.echo(f"wrote {output}: {parts}")
        if found.duplicates or found.overlaps:
            typer.echo(
                f"left out {found.duplicates:,} duplicates and {found.overlaps:,} eval rows whose "
                "prompt is in train"
            )

    command.__doc__ = ROWS[kind]
    return command


for _kind in ROWS:
    export.command(_kind)(_command(_kind))


@export.command("inspect")
def inspect_logs(
    output: Folder, run: RunIds = None, suite: Suite = None, as_json: Json = False
) -> None:
    """Evaluation logs that Inspect reads (inspect view): one for each suite."""
    from eval.export.inspect_logs import logs, write_logs

    with _chosen(run, suite) as (store, runs):
        found = logs(store, runs)
    files = [str(path) for path in write_logs(found, output)]
    samples = [len(log.samples) for log in found.values()]
    if as_json:
        rows = [
            {"file": file, "suite": name, "samples": count}
            for file, name, count in zip(files, found, samples, strict=True)
        ]
        typer.echo(json.dumps({"logs": rows}, ensure_ascii=False))
        return
    for file, count in zip(files, samples, strict=True):
        typer.echo(f"wrote {file}: {count:,} samples")


@contextmanager
def _chosen(ids: Sequence[str] | None, suite: str | None) -> Iterator[tuple[BeadStore, list[Run]]]:
    """The store and the runs to export. Raises UsageError where there is none."""
    from eval.export import chosen_runs
    from harness.ui.run_records import existing_store
    from state import UsageError, home

    with existing_store() as store:
        if store is None:
            raise UsageError(f"nothing to export: no run has been recorded in {home()}")
        yield store, chosen_runs(store, ids or (), suite)
