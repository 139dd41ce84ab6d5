"""An engine that sends the events of a short run without a model; installed in place of the real
one."""

from __future__ import annotations

import asyncio
import sys
import types
from typing import Any

from harness.report import Event, Observer, RunOptions, RunReport
from state import BeadStore, Runs, StopReason, database_url
from tiers.protocol import CheckResult

PLAN = "a: 1 + 2\nb: '{a} + 3'\n"
STEPS = [
    {"id": "hm-1", "name": "a", "kind": "math", "objective": "1 + 2", "inputs": [], "given": False},
    {"id": "hm-2", "name": "b", "kind": "math", "objective": "b", "inputs": ["a"], "given": False},
]


class FakeEngine(types.ModuleType):
    """Records how it was called. ``report`` are fields of the reports it gives."""

    def __init__(self, **report: Any) -> None:
        super().__init__("harness.engine")
        self.report = report
        self.options: RunOptions | None = None
        self.problem: Any = None
        self.resumed: list[tuple[str, dict[str, Any] | None, str | None]] = []
        self.error: Exception | None = None
        self.endless = False
        self.moved: tuple[str | None, str | None] | None = None
        """Endpoint and model that the last resume was given."""

    def install(self) -> None:
        """Make ``from harness import engine`` find this one."""
        import harness

        sys.modules["harness.engine"] = self
        harness.engine = self  # type: ignore[attr-defined]

    async def start(
        self, problem: Any, options: RunOptions, observer: Observer, *, stop: asyncio.Event
    ) -> RunReport:
        self.problem, self.options = problem, options
        store = BeadStore.open(database_url())
        id = Runs(store).start(problem.id, config_json=options.model_dump_json()).id
        Runs(store).interrupt(id, StopReason(kind="stopped", text="told"))
        store.close_database()
        return await self._tell(id, problem.id, observer, stop, paused=options.approve == "plan")

    async def resume(
        self,
        run_id: str,
        observer: Observer,
        *,
        stop: asyncio.Event,
        approval: dict[str, Any] | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        model: str | None = None,
    ) -> RunReport:
        self.resumed.append((run_id, approval, api_key))
        self.moved = base_url, model
        return await self._tell(run_id, "p", observer, stop, paused=False)

    async def _tell(
        self, id: str, problem: str, observer: Observer, stop: asyncio.Event, *, paused: bool
    ) -> RunReport:
        def emit(kind: Any, text: str, **data: Any) -> None:
            observer(Event(kind=kind, text=text, data=data))

        emit("start", f"run {id}", run_id=id, problem=problem, resumed=False)
        emit("plan", "plan 0", steps=STEPS, decomposer="rules")
        if self.error is not None:
            raise self.error
        if self.endless:
            await stop.wait()
            return self._report(id, problem, status="interrupted", verdict=None, answer=None)
        if paused:
            emit("approval", "the plan waits", plan=PLAN)
            return self._report(id, problem, status="awaiting-approval", verdict=None, answer=None)
        emit("dispatch", "1 + 2 → math", step="hm-1", specialist="math", scores={})
        emit("call", "fleet: math", specialist="math", tier="fleet", tokens=9, replayed=False,
             calls=1, total_tokens=9, cost=0.0)  # fmt: skip
        emit("outcome", "1 + 2: verified", step="hm-1", status="verified", artifact="3",
             attempts=2, specialist="math")  # fmt: skip
        return self._report(id, problem)

    def _report(self, id: str, problem: str, **fields: Any) -> RunReport:
        basis: dict[str, Any] = {
            "run_id": id, "problem": problem, "status": "finished", "verdict": "verified",
            "answer": "6", "reference_match": True, "calls": 1, "tokens": 9, "seconds": 1.5,
            "specialists": {"math": 1}, "checks": ("2 checked by the inverse operation",),
            "hidden": (CheckResult(kind="exact", passed=True),),
        }  # fmt: skip
        return RunReport.model_validate({**basis, **self.report, **fields})
