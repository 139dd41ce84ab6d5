"""Kill runs at random moments, resume them, and compare with a run that nobody killed.

    python -m scripts.kill_test --kills 30 --problem horizon/16-3

Each run is killed by SIGKILL once, at a random moment of the time that an undisturbed run takes, then
resumed to its end. The undisturbed run's verdict, answer, number of calls and of tokens, and beads
(by kind, tier and title) must come out again exactly.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from state import BeadStore, Ledger, Runs

ROOT = Path(__file__).parent.parent


def snapshot(home: Path, run_id: str) -> dict[str, Any]:
    """The records of a finished run, without ids and times."""
    store = BeadStore.open(home / "state.db")
    run = Runs(store).get(run_id)
    calls = Ledger(store).calls(run_id)
    beads = Counter((b.kind, b.tier, b.title) for b in store.query(run_id=run_id))
    store.close_database()
    return {
        "verdict": run.verdict,
        "answer": run.answer,
        "calls": len(calls),
        "distinct_calls": len({c.key for c in calls}),
        "tokens": sum(c.prompt_tokens + c.completion_tokens for c in calls),
        "beads": beads,
    }


def _environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HARNESS_")}
    return {**kept, "HARNESS_HOME": str(home)}


def undisturbed(start: list[str], home: Path) -> tuple[dict[str, Any], float]:
    """The reference run, and the seconds from its start to its end."""
    begun = time.monotonic()
    done = subprocess.run(
        start, env=_environment(home), capture_output=True, text=True, check=False
    )
    if not done.stdout.strip():
        sys.exit(f"the undisturbed run gave nothing: {done.stderr.strip()}")
    return snapshot(home, json.loads(done.stdout)["run_id"]), time.monotonic() - begun


def killed(start: list[str], resume: list[str], home: Path, after: float) -> dict[str, Any] | None:
    """A run killed ``after`` seconds and resumed; ``None`` if it died before it had a run."""
    process = subprocess.Popen(
        start,
        cwd=ROOT,
        env=_environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if not (home / "state.db").exists():
        return None
    store = BeadStore.open(home / "state.db")
    runs = Runs(store).list()
    store.close_database()
    if not runs:
        return None
    subprocess.run(
        [*resume, runs[0].id],
        cwd=ROOT,
        env=_environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    return snapshot(home, runs[0].id)


def trial(
    kills: int, start: list[str], resume: list[str], seed: int, earliest: float = 0.5
) -> dict[str, Any]:
    """``kills`` killed and resumed runs against one undisturbed run."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        want, seconds = undisturbed(start, Path(folder))
    result: dict[str, Any] = {
        "kills": 0, "same": 0, "before_start": 0, "different": [], "seconds": round(seconds, 1),
        "verdict": want["verdict"], "calls": want["calls"],
    }  # fmt: skip
    while result["kills"] < kills:
        after = rng.uniform(earliest * seconds, seconds)
        with tempfile.TemporaryDirectory() as folder:
            found = killed(start, resume, Path(folder), after)
        if found is None:
            result["before_start"] += 1
            continue
        result["kills"] += 1
        if found == want:
            result["same"] += 1
        else:
            result["different"].append(_difference(want, found))
        print(f"{result['same']}/{result['kills']} the same", file=sys.stderr, flush=True)
    return result


def _difference(want: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The differences between two snapshots; for beads, the missing and the additional ones."""
    values = {k: [want[k], found[k]] for k in want if found[k] != want[k] and k != "beads"}
    missing, extra = want["beads"] - found["beads"], found["beads"] - want["beads"]
    return {**values, "missing": sorted(map(str, missing)), "extra": sorted(map(str, extra))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--problem", default="horizon/16-3")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    harness = [sys.executable, "-m", "harness"]
    start = [*harness, "run", "--problem", args.problem, "--json"]
    result = trial(args.kills, start, [*harness, "resume", "--json"], args.seed)
    print(json.dumps(result, indent=1))
    sys.exit(result["same"] != result["kills"])


if __name__ == "__main__":
    main()
