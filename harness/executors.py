"""Executors of a sweep's attempts: this process, or workers on the nodes of a Ray cluster.

The sweep and its journal stay in this process, and only they count attempts. A worker only returns
results; if its node dies, its unfinished work goes to another worker.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from eval.compare.attempts import Attempt
from eval.compare.comparison import Solve
from eval.problems import Problem
from harness.report import RunOptions
from harness.sweep import open_solver
from state.errors import HarnessError, SetupError, StoreError, UsageError
from state.home import home

EXECUTORS = ("local", "ray")
DEATHS = 5
"""Number of workers that may die during one attempt before the sweep gives up."""
RETURN_S = 300.0
"""Seconds without any worker before the sweep gives up: Ray restarts a lost worker on a remaining
node."""
LOSSES = ("RayActorError", "ObjectLostError", "WorkerCrashedError", "NodeDiedError",
          "OutOfMemoryError")  # fmt: skip
"""Names in ``ray.exceptions`` which mean that a worker is gone, not that its work failed."""
FORWARDED = ("HARNESS_", "OMP_NUM_THREADS", "PYTHONPATH", "HF_")
"""Prefixes of environment variables that workers receive from this process."""


@asynccontextmanager
async def open_executor(
    name: str,
    options: RunOptions,
    suites: Mapping[str, Sequence[Problem]],
    *,
    address: str | None = None,
    concurrency: int = 4,
) -> AsyncIterator[Solve]:
    """A ``solve`` function for the named executor.

    ``address`` is that of a running Ray cluster (``HOST:PORT``, ``auto``); without one, Ray is
    started on this machine. Raises UsageError for an unknown executor or for an address that the
    executor cannot use, SetupError where Ray is not installed or not reached.
    """
    if name not in EXECUTORS:
        raise UsageError(f"--executor {name}: one of {', '.join(EXECUTORS)}")
    if name == "ray":
        async with _open_ray(options, suites, address, concurrency) as solve:
            yield solve
        return
    if address is not None:
        raise UsageError("--ray-address is for --executor ray")
    async with open_solver(options, suites) as solve:
        yield solve


class Worker:
    """Makes attempts on one node, with its own store and its own fleet, which is opened at the
    first attempt.

    The store is the database of ``HARNESS_DATABASE_URL`` where that is set, else a folder below
    ``root`` on the node's disk.
    """

    def __init__(
        self, options: RunOptions, suites: dict[str, list[Problem]], root: str, name: str
    ) -> None:
        os.environ["HARNESS_HOME"] = str(Path(root) / "workers" / name)
        Path(os.environ["HARNESS_HOME"]).mkdir(parents=True, exist_ok=True)
        self._options = options
        self._suites = suites
        self._opening = asyncio.Lock()
        self._opened: Any = None
        self._solve: Solve | None = None

    async def ready(self) -> None:
        """Return as soon as the worker has started."""

    async def solve(
        self, suite: str, system: str, number: int, seed: int
    ) -> Attempt | HarnessError:
        """Attempt at problem ``number`` of ``suite``, or the error that the harness raised."""
        try:
            async with self._opening:
                if self._solve is None:
                    self._opened = open_solver(self._options, self._suites)
                    self._solve = await self._opened.__aenter__()
            return await self._solve(suite, system, self._suites[suite][number], seed)
        except HarnessError as error:
            return error
        except OSError as error:  # The attempt did not end, for example because of a full disk.
            return StoreError(f"worker on {socket.gethostname()}: {error}")


class _Crew:
    """The workers as seen from this process: which are alive, and which has the least to do."""

    def __init__(self, workers: Sequence[Any], losses: tuple[type[Exception], ...]) -> None:
        self._workers = workers
        self._losses = losses
        self._busy = [0] * len(workers)
        self._back = [asyncio.Event() for _ in workers]
        for event in self._back:
            event.set()
        self._returning: set[asyncio.Task[None]] = set()

    async def ask(self, *task: Any) -> Attempt | HarnessError:
        """A worker's result; another worker is asked where one is lost. Raises SetupError when all
        fail."""
        reason = ""
        for _ in range(DEATHS):
            place = await self._free()
            self._busy[place] += 1
            try:
                answer: Attempt | HarnessError = await self._workers[place].solve.remote(*task)
                return answer
            except self._losses as error:
                reason = str(error).strip().split("\n")[0]
                self._lost(place)
            finally:
                self._busy[place] -= 1
        raise SetupError(f"{DEATHS} Ray workers died over {task[1]} in {task[0]}: {reason}")

    async def _free(self) -> int:
        there = [k for k, event in enumerate(self._back) if event.is_set()]
        if not there:
            waits = [asyncio.ensure_future(event.wait()) for event in self._back]
            try:
                done, _ = await asyncio.wait(
                    waits, timeout=RETURN_S, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                for wait in waits:
                    wait.cancel()
            there = [k for k, wait in enumerate(waits) if wait in done]
        if not there:
            raise SetupError(
                f"no Ray worker came back within {RETURN_S:.0f} s; `ray status` shows the cluster"
            )
        return min(there, key=lambda k: self._busy[k])

    def _lost(self, place: int) -> None:
        if not self._back[place].is_set():
            return
        self._back[place].clear()
        task = asyncio.create_task(self._await_return(place))
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)

    async def _await_return(self, place: int) -> None:
        while True:
            try:
                await self._workers[place].ready.remote()
            except self._losses:
                await asyncio.sleep(1.0)
            else:
                self._back[place].set()
                return

    def close(self) -> None:
        """Stop all workers without waiting for them."""
        for task in self._returning:
            task.cancel()


@asynccontextmanager
async def _open_ray(
    options: RunOptions,
    suites: Mapping[str, Sequence[Problem]],
    address: str | None,
    concurrency: int,
) -> AsyncIterator[Solve]:
    ray = _connect(address)
    crew: _Crew | None = None
    try:
        alive = sum(bool(node["Alive"]) for node in ray.nodes())
        lists = {suite: list(problems) for suite, problems in suites.items()}
        numbers = {s: {p.id: k for k, p in enumerate(found)} for s, found in lists.items()}
        kind: Any = ray.remote(
            num_cpus=1, max_restarts=-1, scheduling_strategy="SPREAD",
            max_concurrency=max(1, -(-concurrency // alive)),
        )(Worker)  # fmt: skip
        workers = [
            kind.remote(options, lists, str(home().resolve()), f"{os.getpid()}-{k}")
            for k in range(alive)
        ]
        crew = _Crew(workers, tuple(getattr(ray.exceptions, name) for name in LOSSES))

        async def solve(suite: str, system: str, problem: Problem, seed: int) -> Attempt:
            answer = await crew.ask(suite, system, numbers[suite][problem.id], seed)
            if isinstance(answer, HarnessError):
                raise answer
            return answer

        yield solve
    finally:
        if crew is not None:
            crew.close()
        ray.shutdown()


def _connect(address: str | None) -> Any:
    try:
        import ray
    except ImportError:
        raise SetupError("--executor ray needs Ray: pip install 'hi-moe[ray]'") from None
    if address not in (None, "auto"):
        _reach(address)  # Ray itself would retry for minutes.
    on_term = signal.getsignal(signal.SIGTERM)
    forwarded = {k: v for k, v in os.environ.items() if k.startswith(FORWARDED)}
    try:
        # A given cluster or a new one, never a cluster that happens to run on this machine.
        ray.init(
            address=address or "local", include_dashboard=False, log_to_driver=False,
            logging_level=logging.ERROR, runtime_env={"env_vars": forwarded},
        )  # fmt: skip
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        reason = str(error).strip().split("\n")[0]
        raise SetupError(f"no Ray cluster at {address or 'this machine'}: {reason}") from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_term)  # Ray has replaced the sweep's handler.
    return ray


def _reach(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except ValueError:
        raise UsageError(f"--ray-address {address}: not HOST:PORT") from None
    except OSError as error:
        raise SetupError(f"no Ray cluster at {address}: {error.strerror or error}") from None
