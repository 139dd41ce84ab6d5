"""Accuracy against horizon length with context packs on, off, and by recency alone.

    python -m scripts.research.benchmark_drift --steps 8 16 32 64 --count 50

Stories of the ``horizon`` suite with so many events are solved by plans (``--strategy plan``), all
variants on the same stories, each on an empty store, routines and insights off so that only packs
differ. Packs reach chat models (``HARNESS_BACKEND=openai`` and so on, as for ``harness run``); the
pocket specialists have fixed prompts, so that there the three must come out alike.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from eval import suite_problems
from eval.statistics import wilson
from harness import settings, wiring
from harness.engine import start
from harness.report import RunOptions
from state import BeadStore, database_url
from tiers.memory import MemoryPolicy

VARIANTS = ("on", "recency", "off")


async def measure(
    steps: int, numbers: range, options: RunOptions, fleet: Any, packs: str, slots: int
) -> dict[str, Any]:
    """One cell: stories of ``steps`` events with the given packs."""
    policy = MemoryPolicy.model_validate({"packs": packs, "routines": False, "insights": False})
    wanted = options.model_copy(update={"memory": policy, "strategy": "plan"})
    gate = asyncio.Semaphore(slots)

    async def solve(problem: Any) -> Any:
        async with gate:
            return await start(problem, wanted, lambda e: None, stop=asyncio.Event(), fleet=fleet)

    with tempfile.TemporaryDirectory() as folder:
        os.environ["HARNESS_HOME"] = folder
        problems = suite_problems(f"horizon/{steps}", numbers)
        reports = await asyncio.gather(*(solve(p) for p in problems))
        store = BeadStore.open(database_url())
        orders = store.query(kind="decision", tier="dispatcher")
        quoted = [len(o.data["pack"]) for o in orders]
        far = [d.data.get("drift") for d in store.query(kind="decision", tier="monitor")]
        store.close_database()
    won = sum(r.reference_match is True for r in reports)
    low, high = wilson(won, len(reports))
    drifts = [d for d in far if d is not None]
    return {
        "problems": len(reports), "correct": won, "low": round(low, 3), "high": round(high, 3),
        "tokens": round(sum(r.tokens for r in reports) / len(reports)),
        "beads_quoted": round(sum(quoted) / max(1, len(quoted)), 2),
        "drift": round(sum(drifts) / len(drifts), 3) if drifts else None,
    }  # fmt: skip


async def benchmark(
    lengths: list[int], numbers: range, options: RunOptions, slots: int
) -> dict[str, Any]:
    """Steps → variant → figures."""
    fleet = await wiring.open_backend(options)
    table: dict[str, Any] = {}
    for steps in lengths:
        table[str(steps)] = {}
        for packs in VARIANTS:
            cell = await measure(steps, numbers, options, fleet, packs, slots)
            table[str(steps)][packs] = cell
            print(steps, packs, cell, file=sys.stderr, flush=True)
    await fleet[0].close()
    return table


def markdown(table: dict[str, Any], options: RunOptions) -> str:
    """The table for people."""
    lines = [
        "# Drift: accuracy against horizon length", "",
        f"`python -m scripts.research.benchmark_drift`, backend {options.backend}, seed {options.seed}; "
        "Wilson intervals of 95%.", "",
        "| events | packs | correct | interval | tokens | beads quoted | drift |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for steps, cells in table.items():
        for packs, c in cells.items():
            drift = "-" if c["drift"] is None else c["drift"]
            lines.append(
                f"| {steps} | {packs} | {c['correct']} of {c['problems']} | "
                f"{c['low']:.2f}-{c['high']:.2f} | {c['tokens']} | {c['beads_quoted']} | {drift} |"
            )
    if not any(c["beads_quoted"] for cells in table.values() for c in cells.values()):
        lines += ["", "No prompt of this fleet takes a pack: nothing can differ, and no benefit."]
    return "\n".join(lines) + "\n"


def plot(table: dict[str, Any], file: Path) -> None:
    """Accuracy over events, a line a variant, as SVG."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "drift"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.6))
    steps = [int(s) for s in table]
    for packs in VARIANTS:
        cells = [table[str(s)][packs] for s in steps]
        share = [c["correct"] / c["problems"] for c in cells]
        below = [max(0.0, a - c["low"]) for a, c in zip(share, cells, strict=True)]
        above = [max(0.0, c["high"] - a) for a, c in zip(share, cells, strict=True)]
        axes.errorbar(steps, share, yerr=[below, above], marker="o", capsize=3, label=packs)
    axes.set(xscale="log", xlabel="events", ylabel="correct", ylim=(-0.02, 1.02), xticks=steps)
    axes.set_xticklabels([str(s) for s in steps])
    axes.minorticks_off()
    axes.legend(title="context packs")
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, nargs="*", default=[8, 16, 32, 64])
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--first", type=int, default=3000, help="number of the first story")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--max-calls", type=int, default=1000, help="calls of one run")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/drift.md"))
    parser.add_argument("--no-plot", action="store_true", help="write no plot beside the table")
    args = parser.parse_args()
    options = settings.load({"max_calls": args.max_calls}).options()
    numbers = range(args.first, args.first + args.count)
    table = asyncio.run(benchmark(args.steps, numbers, options, args.concurrency))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(markdown(table, options))
    args.out.with_suffix(".json").write_text(json.dumps(table, indent=1) + "\n")
    if not args.no_plot:
        plot(table, args.out.with_suffix(".svg"))


if __name__ == "__main__":
    main()
