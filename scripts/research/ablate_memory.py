"""What each part of memory is worth: suites with all of it, with each part off, and with none.

    python -m scripts.research.ablate_memory --suites horizon/8 multistage pocket-code --count 50
    HARNESS_ROUTING_MODE=probabilistic python -m scripts.research.ablate_memory --suites horizon/8

Every variant starts with an empty store and works through the same problems in the same order, so
that later problems can profit from earlier ones. Correct means that the hidden checks pass; each
variant is compared with the first one on the same problems by McNemar's exact test. Figures go into
those that stand in the output file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval import suite_problems
from eval.statistics import discordant, mcnemar
from harness import settings, wiring
from harness.engine import start
from harness.report import RunOptions
from state import BeadStore, database_url
from tiers.memory import MemoryPolicy

VARIANTS = {
    "all": MemoryPolicy(),
    "no packs": MemoryPolicy(packs="off"),
    "no routines": MemoryPolicy(routines=False),
    "no insights": MemoryPolicy(insights=False),
    "no decay": MemoryPolicy(decay=False),
    "none": MemoryPolicy(packs="off", routines=False, insights=False, decay=False),
}


@dataclass
class Row:
    """Results of one variant on one suite."""

    correct: list[bool] = field(default_factory=list)
    verified: int = 0
    calls: int = 0
    tokens: int = 0
    routines: int = 0
    """Number of runs that began with a routine."""
    remedies: int = 0
    """Number of orders that an insight changed: passed to another specialist, or given to the one
    it names."""


def paired_p(one: list[bool], other: list[bool]) -> float:
    """McNemar's exact p of paired outcomes."""
    return mcnemar(*discordant([a - b for a, b in zip(one, other, strict=True)]))


async def measure(
    suite: str, numbers: range, options: RunOptions, fleet: Any, policy: MemoryPolicy
) -> Row:
    """Work through the problems of a suite on an empty store."""
    row = Row()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HARNESS_HOME"] = folder
        for problem in suite_problems(suite, numbers):
            report = await start(
                problem, options.model_copy(update={"memory": policy}), lambda e: None,
                stop=asyncio.Event(), fleet=fleet,
            )  # fmt: skip
            row.correct.append(report.reference_match is True)
            row.verified += report.verdict == "verified"
            row.calls += report.calls
            row.tokens += report.tokens
        store = BeadStore.open(database_url())
        for bead in store.query(kind="decision"):
            row.routines += "routine" in bead.data
        for bead in store.query(kind="outcome", tier="fleet"):
            row.remedies += "handed over" in (bead.data["outcome"]["error"] or "")
        store.close_database()
    return row


async def ablate(
    suites: list[str], variants: list[str], numbers: range, options: RunOptions
) -> dict[str, Any]:
    """Variants, the first of which is the one compared with, on suites: suite → variant → figures."""
    fleet = await wiring.open_backend(options)
    table: dict[str, Any] = {}
    for suite in suites:
        rows = {}
        for name in variants:
            rows[name] = await measure(suite, numbers, options, fleet, VARIANTS[name])
            print(suite, name, sum(rows[name].correct), file=sys.stderr, flush=True)
        count, mode = len(numbers), options.routing_mode
        table[suite if mode == "winner_take_all" else f"{suite}, {mode} routing"] = {
            name: {
                "problems": count, "correct": sum(r.correct), "verified": r.verified,
                "calls": round(r.calls / count, 2), "tokens": round(r.tokens / count),
                "routines": r.routines, "remedies": r.remedies,
                "p": round(paired_p(rows[variants[0]].correct, r.correct), 3),
            }
            for name, r in rows.items()
        }  # fmt: skip
    await fleet[0].close()
    return table


def markdown(table: dict[str, Any], options: RunOptions) -> str:
    """The table for people, which marks the suites on which memory made no difference."""
    lines = [
        "# What each part of memory is worth", "",
        f"`python -m scripts.research.ablate_memory`, backend {options.backend}, seed {options.seed}. Each "
        "variant starts with an empty store. p is McNemar's exact test against the first variant. "
        "Packs reach chat models only: trained specialists have fixed prompts.", "",
        "| suite | memory | correct | p | verified | calls | tokens | by routine | handed over |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for suite, rows in table.items():
        for name, r in rows.items():
            lines.append(
                f"| {suite} | {name} | {r['correct']} of {r['problems']} | {r['p']} | "
                f"{r['verified']} | {r['calls']} | {r['tokens']} | {r['routines']} | "
                f"{r['remedies']} |"
            )
        (first, whole), (last, bare) = next(iter(rows.items())), list(rows.items())[-1]
        if whole["correct"] <= bare["correct"]:
            fewer = whole["calls"] < bare["calls"]
            says = "no more correct answers" + (
                ", but fewer calls" if fewer else " and no fewer calls"
            )
            lines.append(f"| {suite} | *{first} against {last}: {says}* | | | | | | | |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suites", nargs="*", default=["horizon/8", "multistage", "pocket-code"])
    parser.add_argument("--variants", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--first", type=int, default=2000, help="number of the first problem")
    parser.add_argument("--max-calls", type=int, default=200, help="calls of one run")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/memory.md"))
    args = parser.parse_args()
    options = settings.load({"max_calls": args.max_calls}).options()
    numbers = range(args.first, args.first + args.count)
    data = args.out.with_suffix(".json")
    table: dict[str, Any] = json.loads(data.read_text()) if data.exists() else {}
    table |= asyncio.run(ablate(args.suites, args.variants, numbers, options))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(markdown(table, options))
    data.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
