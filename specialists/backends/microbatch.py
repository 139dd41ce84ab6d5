"""A worker thread that runs a model on batches of the waiting requests."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from state import BackendUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

CLOSED = "the backend is closed"


@dataclass(eq=False)
class Job(Generic[Item]):
    """A request that a caller waits for; cancelling the caller cancels ``done``."""

    item: Item
    done: Future[None] = field(default_factory=Future)
    submitted: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    """Seconds from submission to release."""

    def release(self, error: BaseException | None = None) -> None:
        """Wake the caller, with an error or with its result on ``item``; releasing again does
        nothing."""
        if self.done.done() or not self.done.set_running_or_notify_cancel():
            return
        self.seconds = time.monotonic() - self.submitted
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


class MicroBatcher(Generic[Item]):
    """Collects jobs of concurrent callers into batches; any event loop may submit.

    ``run`` is called in the worker thread with 1 to ``max_batch`` jobs, in order of submission; it
    may release some before it returns. An exception of ``run`` reaches only the callers of that
    batch.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Job[Item]]], None],
        max_batch: int,
        *,
        gather_s: float = 0.002,
        setup: Callable[[], None] | None = None,
    ) -> None:
        self._run = run
        self._max_batch = max_batch
        self._gather_s = gather_s
        self._waiting: deque[Job[Item]] = deque()
        self._worker = ThreadPoolExecutor(1, "model", initializer=setup)
        self._closed = False

    async def submit(self, items: Sequence[Item]) -> list[Job[Item]]:
        """Queue the items and wait until all are done; raises the exception of their batch."""
        jobs = [Job(item) for item in items]
        self._waiting.extend(jobs)
        for _ in jobs:
            self._submit(self._work)
        waits = [asyncio.wrap_future(job.done) for job in jobs]
        try:
            await asyncio.gather(*waits)
        finally:
            for wait in waits:
                wait.cancel()
        return jobs

    async def call(self, function: Callable[[], Result]) -> Result:
        """Run ``function`` in the worker thread, after everything submitted before it."""
        return await asyncio.wrap_future(self._submit(function))

    def close(self) -> None:
        """Let the running batch finish, refuse waiting jobs, and end the thread."""
        self._closed = True
        self._worker.shutdown(wait=True)

    def _submit(self, function: Callable[[], Result]) -> Future[Result]:
        if self._closed:
            raise BackendUnavailable(CLOSED)
        return self._worker.submit(function)

    def _work(self) -> None:
        if not self._waiting:
            return
        if not self._closed:
            time.sleep(self._gather_s)
        jobs = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_batch))]
        jobs = [job for job in jobs if not job.done.cancelled()]
        try:
            if self._closed:
                raise BackendUnavailable(CLOSED)
            if jobs:
                self._run(jobs)
        except BaseException as error:
            for job in jobs:
                job.release(error)
            raise
        for job in jobs:
            job.release()
