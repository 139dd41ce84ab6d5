from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from state import BeadStore, Call, Ledger, Runs, StopReason, UsageError
from tests.state.clock import Clock


@pytest.fixture
def runs(store: BeadStore) -> Runs:
    return Runs(store)


@pytest.fixture
def others(store: BeadStore) -> Runs:
    """Another process on another machine."""
    return Runs(store, owner="elsewhere:4711")


def test_start_writes_the_record(runs: Runs, clock: Clock) -> None:
    run = runs.start("gsm8k/7", problem_json='{"id": "x"}', config_json='{"k": 1}', seed=3)
    assert run.id.startswith("run-")
    assert runs.get(run.id) == run == runs.get(run.id[:7]) == runs.get(run.id[4:])
    assert (run.status, run.problem_id, run.seed) == ("running", "gsm8k/7", 3)
    assert (run.problem_json, run.config_json) == ('{"id": "x"}', '{"k": 1}')
    assert run.owner == f"{socket.gethostname()}:{os.getpid()}"
    assert run.created_at == clock.now


def test_unknown_run(runs: Runs) -> None:
    for unknown in ("run-nope", ""):
        with pytest.raises(UsageError, match=r"unknown run id .*; `harness runs list` shows them"):
            runs.get(unknown)


def test_ambiguous_run(runs: Runs) -> None:
    runs.start("a")
    runs.start("b")
    with pytest.raises(UsageError, match="run id 'run-' is ambiguous"):
        runs.get("run-")


def test_list_newest_first(runs: Runs, clock: Clock) -> None:
    for problem in ("a", "b", "a"):
        runs.start(problem)
        clock.advance(1)
    assert [run.problem_id for run in runs.list()] == ["a", "b", "a"]
    assert len(runs.list(problem_id="a")) == 2
    assert [run.problem_id for run in runs.list(limit=2)] == ["a", "b"]


def test_finish_says_what_the_ledger_says(runs: Runs, store: BeadStore, clock: Clock) -> None:
    run = runs.start("p")
    Ledger(store).record(
        Call(
            key="k",
            run_id=run.id,
            bead_id="hm-1",
            tier="fleet",
            specialist="math",
            model="m",
            prompt=[],
            response="",
            prompt_tokens=10,
            completion_tokens=5,
            cost=0.25,
        )
    )
    clock.advance(12)
    runs.finish(
        run.id,
        verdict="solved",
        reason=StopReason(kind="done", text="all checks passed"),
        answer="42",
    )
    run = runs.get(run.id)
    assert (run.status, run.verdict, run.answer) == ("finished", "solved", "42")
    assert (run.stop_reason, run.reference_match) == ("all checks passed", None)
    assert (run.spent_calls, run.spent_tokens, run.spent_cost) == (1, 15, 0.25)
    assert (run.spent_seconds, run.closed_at, run.owner) == (12, clock.now, None)
    assert runs.score(run.id, True).reference_match is True


def test_a_finished_run_is_not_resumed(runs: Runs) -> None:
    run = runs.start("p")
    runs.finish(run.id, verdict="solved", reason=StopReason(kind="done", text="done"))
    with pytest.raises(UsageError, match="is finished, verdict solved"):
        runs.acquire(run.id)


def test_interrupt_and_resume_count_working_time_only(runs: Runs, clock: Clock) -> None:
    run = runs.start("p")
    clock.advance(10)
    assert runs.interrupt(run.id, StopReason(kind="stopped", text="Ctrl-C")).status == "interrupted"
    clock.advance(1000)
    resumed = runs.acquire(run.id)
    assert (resumed.status, resumed.stop_reason) == ("running", None)
    clock.advance(5)
    runs.renew(run.id)
    clock.advance(5)
    assert (
        runs.finish(
            run.id, verdict="failed", reason=StopReason(kind="budget", text="budget")
        ).spent_seconds
        == 20
    )


class TestLock:
    def test_two_processes_cannot_work_on_one_run(self, runs: Runs, others: Runs) -> None:
        run = others.start("p")
        with pytest.raises(UsageError, match=r"is in the hands of process 4711 on elsewhere; wait"):
            runs.acquire(run.id)
        assert not runs.renew(run.id)
        assert not runs.release(run.id)
        assert others.release(run.id)
        assert runs.acquire(run.id).owner == runs.owner

    def test_a_live_process_here_keeps_it(self, store: BeadStore, runs: Runs) -> None:
        parent = Runs(store, owner=f"{socket.gethostname()}:{os.getppid()}")
        run = parent.start("p")
        with pytest.raises(UsageError, match=f"process {os.getppid()} on"):
            runs.acquire(run.id)

    def test_its_own_process_may_acquire_again(self, runs: Runs) -> None:
        run = runs.start("p")
        assert runs.acquire(run.id).owner == runs.owner

    def test_an_expired_lock_is_free(self, runs: Runs, others: Runs, clock: Clock) -> None:
        run = others.start("p", ttl_s=60)
        clock.advance(59)
        others.renew(run.id, ttl_s=60)
        clock.advance(59)
        assert runs.get(run.id).status == "running"
        clock.advance(1)
        assert runs.get(run.id).status == "interrupted"
        assert runs.acquire(run.id).owner == runs.owner
        assert not others.renew(run.id)

    def test_a_dead_process_here_frees_it(self, store: BeadStore, runs: Runs) -> None:
        process = subprocess.Popen([sys.executable, "-c", ""])
        process.wait()
        run = Runs(store, owner=f"{socket.gethostname()}:{process.pid}").start("p", ttl_s=1e6)
        assert [r.status for r in runs.list()] == ["interrupted"]
        assert runs.acquire(run.id).status == "running"
