"""``harness eval errors``: what went wrong in the runs, by kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from state import Run

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def errors(
    run: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN", help="Run to look at; may be repeated. Default: the latest."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many of the latest runs.")] = 200,
    min_size: Annotated[
        int | None, typer.Option(help="Failures of the smallest cluster (default: 3, or 1%).")
    ] = None,
    file_beads: Annotated[
        bool, typer.Option("--file-beads", help="Open a bead for each kind; seen again, re-open.")
    ] = False,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Also write Markdown.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with a plot.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Cluster the failures of recorded runs, name the clusters, and say where each arose."""
    from eval.errors import clusters_report
    from eval.errors.clustering import cluster
    from eval.errors.filing import file_bead
    from eval.errors.run_failures import failures
    from eval.origin import Oracle
    from harness import settings
    from harness.ui.text_tables import Column, say, show
    from specialists.routing.embedder import Embedder
    from state import Runs, home
    from state.errors import UsageError
    from state.opening import existing

    if limit < 1 or (min_size is not None and min_size < 2):
        wrong = f"--min-size: at least 2, not {min_size}"
        raise UsageError(f"--limit: at least 1, not {limit}" if limit < 1 else wrong)
    with existing() as store:
        if store is None:
            if run:
                raise UsageError(f"unknown run id {run[0]!r}: no run has been recorded in {home()}")
            _nothing([], as_json=as_json)
            return
        records = Runs(store)
        runs = [records.get(id) for id in run] if run else records.list(limit=limit)
        found = failures(store, runs)
        if not found:
            _nothing(runs, as_json=as_json)
            return
        embedder = Embedder(settings.load().embedder)
        clusters, labels, features = cluster(found, embedder.embed, fewest=min_size)
        oracle = Oracle(store, {r.id: r for r in runs})
        origins = [oracle.origin(failure) for failure in found]
        rows = clusters_report.rows(clusters, found, origins)
        filed = [file_bead(store, row) for row in rows] if file_beads else []
    noise = labels.count(-1)
    for path, text in (
        (markdown, clusters_report.markdown(rows, noise)),
        (html, clusters_report.html(rows, found, labels, features)),
    ):
        if path is not None:
            path.write_text(text, "utf-8")
    if as_json:
        beads = [{"bead": id, "done": done} for id, done in filed]
        print(
            json.dumps({"failures": len(found), "noise": noise, "clusters": rows, "beads": beads})
        )
        return
    name, *others = clusters_report.HEADER
    ranks = {"shows in": 3, "fixed by": 2, "trend": 1}
    columns = [Column(n, rank=ranks.get(n, 0), right=n in ("failures", "runs")) for n in others]
    cells = [clusters_report.cells(row) for row in rows]
    show([*columns, Column(name, text=True)], [[*rest, first] for first, *rest in cells])
    say(f"{len(found)} failures of {len(runs)} runs; {noise} are like no others")
    for row, (id, done) in zip(rows, filed, strict=False):
        say(f"{id} {done}: {row['name']}")


def _nothing(runs: list[Run], *, as_json: bool) -> None:
    """Report that nothing failed, and how many runs could not be judged; this is no error."""
    unknown = sum(run.reference_match is None for run in runs)
    if as_json:
        print(json.dumps({"failures": 0, "noise": 0, "clusters": [], "beads": []}))
        return
    told = f"; {unknown} have no hidden checks that could tell" if unknown else ""
    print(f"no failures in {len(runs)} runs{told}")
