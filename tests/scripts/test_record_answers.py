"""Recorded answers of a real model, replayed through the harness by the recorded backend."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from eval.compare.comparison import Attempt
from eval.datasets import load
from eval.sandbox import BubblewrapSandbox, Limits
from eval.validators import validators
from harness import sweep
from harness.report import RunOptions
from scripts.record_answers import record
from tiers.protocol import Budget

pytestmark = pytest.mark.slow

PROBLEM = {
    "task_id": "HumanEval/0", "entry_point": "inc",
    "prompt": 'def inc(x):\n    """ One more.\n    >>> inc(1)\n    2\n    """\n',
    "test": "def check(candidate):\n    assert candidate(41) == 42\n",
}  # fmt: skip


def answer(run: int, body: str) -> dict[str, object]:
    return {
        "task_id": "HumanEval/0", "model": "m", "run": run, "prompt_tokens": None,
        "completion_tokens": 9, "duration_s": 1.5, "passed": False, "result": "",
        "completion": f"```python\ndef inc(x):\n    return {body}\n```",
    }  # fmt: skip


def test_direct_takes_the_first_and_best_of_n_the_one_that_public_checks_accept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "runs"))
    patient = BubblewrapSandbox(Limits(seconds=120))  # wall-clock time must not decide here
    monkeypatch.setattr(sweep, "validators", lambda: validators(patient))
    problems = tmp_path / "humaneval.jsonl"
    problems.write_text(json.dumps(PROBLEM) + "\n")
    bodies = ["x", "x - 1", "x + 1"]
    rows = [answer(k, body) for k, body in enumerate(bodies, 1)]
    file = tmp_path / "humaneval_model_answers.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recording = tmp_path / "m.jsonl"
    assert asyncio.run(record(tmp_path, "m", 1, recording)) == 3
    options = RunOptions(backend="recorded", recording=str(recording), budget=Budget(calls=3))
    (problem,) = load("humaneval", str(problems))

    async def go() -> dict[str, Attempt]:
        async with sweep.open_solver(options, {"s": [problem]}) as solve:
            return {s: await solve("s", s, problem, 1) for s in ("direct", "cot", "best_of_n")}

    found = asyncio.run(go())
    assert not found["direct"].solved
    assert not found["cot"].solved
    assert found["best_of_n"].solved, found["best_of_n"]
    assert found["best_of_n"].calls == 3
    assert found["best_of_n"].claimed
