"""A sweep on a real two-node Ray cluster, a node killed in the middle."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from eval.compare.comparison import Attempt, Journal, sweep
from eval.selection import select
from harness.executors import open_executor
from harness.report import RunOptions
from state.errors import SetupError, UsageError

ray = pytest.importorskip("ray")
SUITE, SYSTEMS = "pocket-code", ("direct", "hierarchy")


def outcome(attempt: Attempt) -> tuple[Any, ...]:
    """The parts of an attempt that must not depend on where it was made."""
    return attempt.solved, attempt.claimed, attempt.calls, attempt.tokens


async def work(
    folder: Path, executor: str, address: str | None = None, on_attempt: Any = None
) -> list[Attempt]:
    suites = {SUITE: select(SUITE, None, 5)}
    journal = Journal(folder / "attempts.jsonl", {"test": True})
    options = RunOptions()
    async with open_executor(executor, options, suites, address=address, concurrency=4) as solve:
        told = on_attempt or (lambda attempt, done, of: None)
        return await sweep(suites, SYSTEMS, [1], solve, journal, concurrency=4, on_attempt=told)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_node_killed_in_the_middle_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    here = asyncio.run(work(tmp_path / "local", "local"))

    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    try:
        doomed = cluster.add_node(num_cpus=2)
        cluster.wait_for_nodes()
        used: list[int] = []

        def kill(attempt: Attempt, done: int, of: int) -> None:
            stores = [*(tmp_path / "home" / "workers").glob("*/state.db")]
            used.append(len(stores))
            if done == 2:
                time.sleep(1)  # Both nodes are in the middle of something.
                cluster.remove_node(doomed, allow_graceful=False)

        there = asyncio.run(work(tmp_path / "ray", "ray", cluster.address, kill))
    finally:
        cluster.shutdown()
    assert [outcome(a) for a in there] == [outcome(a) for a in here]
    assert max(used) == 2, "the second node made no attempt"
    lines = (tmp_path / "ray" / "attempts.jsonl").read_text().splitlines()[1:]
    keys = Counter((a["system"], a["problem"], a["seed"]) for a in map(json.loads, lines))
    assert len(keys) == 10
    assert set(keys.values()) == {1}


def test_what_ray_cannot_do_is_one_line() -> None:
    async def opened(name: str, address: str | None) -> None:
        async with open_executor(name, RunOptions(), {}, address=address):
            pass

    with pytest.raises(UsageError, match="one of local, ray"):
        asyncio.run(opened("slurm", None))
    with pytest.raises(UsageError, match="--executor ray"):
        asyncio.run(opened("local", "auto"))
    with pytest.raises(SetupError, match="no Ray cluster at"):
        asyncio.run(opened("ray", "127.0.0.1:1"))
