"""Measure the error clusters on failures whose cause is known, because it was put there.

    python -m scripts.research.measure_clusters --out docs/benchmarks/clusters.json

Runs each fault of :mod:`eval.faults` on several problems, collects the failures from the store, and
compares the clusters with the injected kinds: adjusted Rand index (Hubert and Arabie 1985), beside
TF-IDF with k-means that is given the number of kinds. ``--fleet oracle`` answers from the problem
generators, ``--fleet pocket`` from the embedded model (whose own mistakes then mix in). Failures are
kept in ``--cache``, so that an interrupted measurement goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import adjusted_rand_score

from eval import Problem, suite_problems
from eval.errors.clustering import cluster, text_of
from eval.errors.run_failures import Failure, failures
from eval.faults import Fault, FaultyBackend, faults
from harness import engine, routing, wiring
from harness.report import RunOptions
from specialists.routing.embedder import Embedder
from state import BeadStore, Runs, database_url
from tests.oracle import CARDS, OracleBackend, by_form, horizon_story, multistage_story


async def fleet(kind: str, fault: Fault, number: int) -> Any:
    """The backend with the fault in it, and the cards."""
    if kind == "pocket":
        backend, cards = await wiring.open_backend(RunOptions())
        return FaultyBackend(backend, fault), cards
    stories = {
        "horizon/4": lambda: [horizon_story(4, number)],
        "multistage": lambda: [multistage_story(number)],
    }
    made = stories.get(fault.suite, lambda: [])()
    return FaultyBackend(OracleBackend(made), fault), CARDS


async def collect(kind: str, name: str, problem: Problem, number: int) -> list[Failure]:
    """The failures of one run with one fault."""
    fault = faults()[name]
    backend, cards = await fleet(kind, fault, number)
    options = RunOptions.model_validate({"strategy": fault.strategy, "budget": fault.budget})
    report = await engine.start(
        problem, options, lambda e: None, stop=asyncio.Event(), fleet=(backend, cards)
    )
    await backend.close()
    store = BeadStore.open(database_url())
    found = failures(store, [Runs(store).get(report.run_id)])
    store.close_database()
    return found


def gather(kind: str, runs: int, cache: Path) -> list[tuple[str, Failure]]:
    """(injected kind, failure) of ``runs`` runs of each fault."""
    held = [json.loads(line) for line in cache.read_text().splitlines()] if cache.exists() else []
    done = {(row["kind"], row["number"]) for row in held}
    if kind == "oracle":
        routing.open_router = by_form  # type: ignore[assignment]
    cache.parent.mkdir(parents=True, exist_ok=True)
    for number in range(runs):
        for name, fault in faults().items():
            if (name, number) in done:
                continue
            (problem,) = suite_problems(fault.suite, [number])
            found = asyncio.run(collect(kind, name, problem, number))
            row = {"kind": name, "number": number, "failures": [f.model_dump() for f in found]}
            held.append(row)
            with cache.open("a") as out:
                out.write(json.dumps(row) + "\n")
            print(f"{name}, problem {number}: {len(found)} failures", file=sys.stderr, flush=True)
    return [(r["kind"], Failure.model_validate(f)) for r in held for f in r["failures"]]


def measure(labelled: list[tuple[str, Failure]]) -> dict[str, Any]:
    """Agreement of the clusters, and of the reference method, with the injected kinds."""
    kinds = [kind for kind, _ in labelled]
    found = [failure for _, failure in labelled]
    clusters, labels, _ = cluster(found, Embedder().embed)
    # A failure unlike all others is a cluster of its own: omitting it would improve the figures.
    alone = [label if label >= 0 else -1 - k for k, label in enumerate(labels)]
    texts = [text_of(f) for f in found]
    table = TfidfVectorizer(sublinear_tf=True).fit_transform(texts)
    count = len(set(kinds))
    reference = KMeans(count, n_init=10, random_state=0).fit_predict(table)
    rows = []
    for item in clusters:
        within = Counter(kinds[i] for i in item.members)
        rows.append({"name": item.name, "size": item.size, "kinds": dict(within)})
    return {
        "failures": len(found), "kinds": count, "clusters": len(clusters),
        "noise": labels.count(-1), "ari": adjusted_rand_score(kinds, alone),
        "ari_tfidf_kmeans": adjusted_rand_score(kinds, reference), "rows": rows,
        "per_kind": dict(Counter(kinds)),
    }  # fmt: skip


def render(result: dict[str, Any], fleet: str) -> str:
    """The figures as Markdown."""
    lines = [
        "# Error clusters against injected kinds", "",
        f"Written by `python -m scripts.research.measure_clusters --fleet {fleet}`: {result['failures']} "
        f"failures of {result['kinds']} injected kinds.", "",
        "| method | adjusted Rand index |", "| --- | --- |",
        f"| fields + MiniLM + HDBSCAN ({result['clusters']} clusters, {result['noise']} alone) "
        f"| {result['ari']:.3f} |",
        f"| TF-IDF + k-means, told that there are {result['kinds']} kinds "
        f"| {result['ari_tfidf_kmeans']:.3f} |",
        "", "Development figures: the normal form and the merging distance were chosen on some of these "
        "failures, and injected faults are tidier than real ones.",
        "", "| cluster | failures | injected kinds in it |", "| --- | --- | --- |",
    ]  # fmt: skip
    for row in result["rows"]:
        kinds = ", ".join(f"{kind} ({n})" for kind, n in row["kinds"].items())
        lines.append(f"| {row['name']} | {row['size']} | {kinds} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fleet", choices=("oracle", "pocket"), default="oracle")
    parser.add_argument("--runs", type=int, default=4, help="runs of each fault")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/clusters.json"))
    parser.add_argument("--cache", type=Path, default=Path("runs/clusters.jsonl"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HARNESS_HOME"] = folder
        labelled = gather(args.fleet, args.runs, args.cache.absolute())
    result = measure(labelled)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    page = render(result, args.fleet)
    args.out.with_suffix(".md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
