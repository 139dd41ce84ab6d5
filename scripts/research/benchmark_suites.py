"""Run suites through the harness, hierarchy beside one-call baselines, and write the figures.

    python -m scripts.research.benchmark_suites --horizons 4 8 16 32 64 --out docs/benchmarks/suites.json

Baselines are ``--strategy direct`` with the ``generalist`` and the ``chain`` adapter, under the token
budget that the hierarchy used on the same problem. Correct means that the hidden checks pass. Nothing
is remembered from one problem to the next. Suites are added to a file that the same fleet and seed
wrote.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from eval import Problem, suite_problems
from eval.statistics import wilson
from harness.engine import start
from harness.report import RunOptions, RunReport
from harness.wiring import open_backend
from tiers.memory import MemoryPolicy, fleet_identity
from tiers.protocol import Budget

BASELINES = ("generalist", "chain")
FORGETFUL = MemoryPolicy(packs="off", routines=False, insights=False)


async def solve(problem: Problem, options: RunOptions, fleet: Any, slots: Any) -> RunReport:
    async with slots:
        return await start(problem, options, lambda e: None, stop=asyncio.Event(), fleet=fleet)


def summary(reports: list[RunReport], seconds: float) -> dict[str, Any]:
    won = sum(r.reference_match is True for r in reports)
    low, high = wilson(won, len(reports))
    claimed = [r for r in reports if r.verdict == "verified"]
    return {
        "problems": len(reports), "correct": won, "low": round(low, 3), "high": round(high, 3),
        "verified": len(claimed),
        "verified_wrong": sum(r.reference_match is False for r in claimed),
        "tokens": round(sum(r.tokens for r in reports) / len(reports)),
        "calls": round(sum(r.calls for r in reports) / len(reports), 1),
        "seconds": round(seconds / len(reports), 2),
        "failed": {
            r.problem: f"{r.verdict}: {r.stop_reason}" for r in reports if not r.reference_match
        },
    }  # fmt: skip


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    options = RunOptions(seed=args.seed, memory=FORGETFUL)
    fleet = await open_backend(options)
    slots = asyncio.Semaphore(args.concurrency)
    result: dict[str, Any] = {
        "seed": args.seed, "fleet": fleet_identity(fleet[0].model_id, fleet[1])
    }  # fmt: skip
    if args.out.exists():
        before = json.loads(args.out.read_text())
        if result.items() <= before.items():
            result = before
    suites = [f"horizon/{h}" for h in args.horizons] + args.suites
    for suite in suites:
        problems = suite_problems(suite, range(args.first, args.first + args.count))
        begun = time.monotonic()
        planned = await asyncio.gather(*(solve(p, options, fleet, slots) for p in problems))
        rows = {"hierarchy": summary(list(planned), time.monotonic() - begun)}
        print(suite, rows["hierarchy"], file=sys.stderr, flush=True)
        if suite.startswith("horizon"):
            for name in args.baselines:
                begun = time.monotonic()
                direct = await asyncio.gather(
                    *(
                        solve(
                            p,
                            RunOptions(
                                seed=args.seed, strategy="direct", specialist=name, memory=FORGETFUL,
                                budget=Budget(tokens=max(1, r.tokens)),
                            ),
                            fleet,
                            slots,
                        )
                        for p, r in zip(problems, planned, strict=True)
                    )
                )  # fmt: skip
                rows[name] = summary(list(direct), time.monotonic() - begun)
                del rows[name]["failed"]
                print(suite, name, rows[name], file=sys.stderr, flush=True)
        result[suite] = rows
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    await fleet[0].close()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--horizons", type=int, nargs="*", default=[4, 8, 16, 32, 64])
    parser.add_argument("--suites", nargs="*", default=["multistage", "pocket-code"])
    parser.add_argument("--baselines", nargs="*", default=list(BASELINES), metavar="SPECIALIST")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--first", type=int, default=1000, help="number of the first problem")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/suites.json"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HARNESS_HOME"] = folder
        asyncio.run(measure(args))


if __name__ == "__main__":
    main()
