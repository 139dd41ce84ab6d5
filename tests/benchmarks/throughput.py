"""Samples a second against a server of fixed latency: this harness beside inspect_ai.

    python -m tests.benchmarks.throughput --inspect-python /path/of/an/environment/bin/python

The same questions, one call each, the same server and the same number of calls at once; both judge
the answers and write what they did to disk. inspect_ai may live in an environment of its own. Rounds
alternate; the first of each, which warms up, is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from eval.compare.comparison import Journal, sweep
from eval.problems import Problem
from eval.selection import select
from harness.report import RunOptions
from harness.sweep import open_solver

INSPECT = """
import json, os, sys, time
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.scorer import match
from inspect_ai.solver import generate
questions, count, url, slots, folder = json.load(open(sys.argv[1])), *sys.argv[2:]
task = Task(dataset=[Sample(input=q, target="42") for q in questions], solver=generate(),
            scorer=match(numeric=True))
began = time.perf_counter()
[log] = eval(
    task, model="openai/fixed", model_base_url=url, max_retries=0, display="none",
    model_args={"api_key": "none", "responses_api": False}, log_dir=folder, log_level="error",
    max_connections=int(slots), max_samples=int(slots),
)
took = time.perf_counter() - began
assert log.status == "success", log.error
assert log.results.scores[0].metrics["accuracy"].value == 1.0
print(json.dumps({"seconds": took}))
"""


def problems(folder: Path, count: int) -> list[Problem]:
    """Questions in the form of GSM8K, all answered by 42."""
    file = folder / "questions.jsonl"
    file.write_text(
        "".join(
            json.dumps({"question": f"Ann has {k} boxes of 7. How many?", "answer": "#### 42"})
            + "\n"
            for k in range(count)
        )
    )
    return list(select("gsm8k", str(file), count))


async def ours(found: list[Problem], url: str, slots: int, folder: Path) -> float:
    """Seconds of a sweep with the ``direct`` system."""
    os.environ["HARNESS_HOME"] = str(folder)
    options = RunOptions(backend="openai", base_url=url, model="fixed", max_connections=slots)
    began = time.perf_counter()
    journal = Journal(folder / "attempts.jsonl", {})
    async with open_solver(options, {"gsm8k": found}) as solve:
        attempts = await sweep({"gsm8k": found}, ["direct"], [1], solve, journal, concurrency=slots)
    took = time.perf_counter() - began
    assert all(a.solved for a in attempts)
    return took


def theirs(found: list[Problem], url: str, slots: int, folder: Path, python: str) -> float:
    """Seconds of ``inspect_ai.eval``, imports not counted."""
    questions = folder / "questions.json"
    questions.write_text(json.dumps([p.statement for p in found]))
    out = subprocess.run(
        [python, "-c", INSPECT, str(questions), str(len(found)), url, str(slots), str(folder)],
        capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    if out.returncode:
        raise SystemExit(f"inspect_ai failed:\n{out.stderr[-2000:]}")
    return float(json.loads(out.stdout.splitlines()[-1])["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds of the server")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--inspect-python", default=sys.executable, metavar="FILE")
    args = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.latency_server", str(port), str(args.latency)]
    )
    url = f"http://127.0.0.1:{port}/v1"
    took: dict[str, list[float]] = {"ours": [], "inspect_ai": []}
    try:
        time.sleep(1)
        for number in range(args.rounds):
            with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
                found = problems(Path(one), args.samples)
                mine = asyncio.run(ours(found, url, args.concurrency, Path(one)))
                its = theirs(found, url, args.concurrency, Path(other), args.inspect_python)
            print(f"round {number}: ours {mine:.2f} s, inspect_ai {its:.2f} s", flush=True)
            if number or args.rounds == 1:
                took["ours"].append(mine)
                took["inspect_ai"].append(its)
    finally:
        server.kill()
    floor = args.samples / args.concurrency * args.latency
    rates = {name: args.samples / median(seconds) for name, seconds in took.items()}
    for name, rate in rates.items():
        print(f"{name:<10} {rate:6.0f} samples/s ({median(took[name]):.2f} s; floor {floor:.2f} s)")
    print(f"ratio {rates['ours'] / rates['inspect_ai']:.2f}")


if __name__ == "__main__":
    main()
