"""Evaluation logs in Inspect's format (https://inspect.aisi.org.uk/eval-logs.html), one for each
suite.

A sample is a run that has ended; another run of the same problem is its next epoch. The package
``inspect_ai`` is an extra; nothing else imports it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eval.export.run_selection import statement_of, suite_of
from state import BeadStore, Call, Ledger, Run
from state.errors import SetupError, UsageError

VERIFIED, REFERENCE = "verified", "reference"
"""Names of the scores: the public verification, and the result of the hidden checks."""


def logs(store: BeadStore, runs: Iterable[Run]) -> dict[str, Any]:
    """Suite → ``EvalLog`` of those ``runs`` that have ended.

    The log does not contain the hidden checks themselves, so ``target`` is empty. Raises SetupError
    without inspect_ai, UsageError where no run has ended, StoreError.
    """
    _needed()
    suites: dict[str, list[Run]] = {}
    for run in runs:
        if run.status == "finished":
            suites.setdefault(suite_of(run), []).append(run)
    if not suites:
        raise UsageError("nothing to export: none of the runs has ended")
    ledger = Ledger(store)
    return {
        suite: _log(suite, ended, {run.id: ledger.calls(run.id) for run in ended})
        for suite, ended in suites.items()
    }


def write_logs(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write each log to ``folder/SUITE.eval``, all of them or none. Raises UsageError."""
    log = _needed()
    paths = [folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', suite)}.eval" for suite in found]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as part:
            for path, one in zip(paths, found.values(), strict=True):
                log.write_eval_log(one, Path(part, path.name), format="eval")
            for path in paths:
                os.replace(Path(part, path.name), path)
    except OSError as error:
        raise UsageError(f"--output {folder}: cannot be written: {error.strerror}") from None
    return paths


def _needed() -> Any:
    try:
        from inspect_ai import log
    except ImportError:
        raise SetupError("export inspect needs inspect_ai: pip install 'hi-moe[inspect]'") from None
    return log


def _log(suite: str, runs: Sequence[Run], calls: Mapping[str, Sequence[Call]]) -> Any:
    from inspect_ai.log import (
        EvalConfig,
        EvalDataset,
        EvalLog,
        EvalResults,
        EvalSpec,
        EvalStats,
    )

    epochs: dict[str, int] = {}
    samples = []
    for run in runs:
        epochs[run.problem_id] = epochs.get(run.problem_id, 0) + 1
        samples.append(_sample(run, calls[run.id], epochs[run.problem_id]))
    every = [call for run in runs for call in calls[run.id]]
    models = sorted({call.model for call in every})
    name = hashlib.sha256("|".join([suite, *(run.id for run in runs)]).encode()).hexdigest()[:22]
    return EvalLog(
        status="success",
        eval=EvalSpec(
            eval_id=name, run_id=name, task_id=name, task=suite, created=_when(runs[0].created_at),
            dataset=EvalDataset(name=suite, samples=len(epochs), sample_ids=list(epochs)),
            model=models[0] if len(models) == 1 else "hi-moe", config=EvalConfig(epochs=max(epochs.values())),
            packages={"hi-moe": importlib.metadata.version("hi-moe")},
            metadata={"models": models, "runs": [run.id for run in runs]},
        ),
        results=EvalResults(
            total_samples=len(samples), completed_samples=len(samples),
            scores=[_total(name, samples) for name in (VERIFIED, REFERENCE)],
        ),
        stats=EvalStats(
            started_at=_when(runs[0].created_at),
            completed_at=_when(max(run.closed_at or run.updated_at for run in runs)),
            model_usage=_usage(every),
        ),
        samples=samples,
    )  # fmt: skip


def _sample(run: Run, calls: Sequence[Call], epoch: int) -> Any:
    from inspect_ai.log import EvalSample
    from inspect_ai.model import ModelOutput
    from inspect_ai.scorer import Score

    scores = {
        VERIFIED: Score(
            value=_mark(run.verdict == "verified"), answer=run.answer, explanation=run.stop_reason,
            metadata={"verdict": run.verdict},
        )
    }  # fmt: skip
    if run.reference_match is not None:
        scores[REFERENCE] = Score(value=_mark(run.reference_match), answer=run.answer)
    return EvalSample(
        id=run.problem_id, epoch=epoch, input=statement_of(run), target="", uuid=run.id,
        messages=[message for call in calls for message in _messages(call)],
        output=ModelOutput.from_content(calls[-1].model if calls else "", run.answer or ""),
        scores=scores, model_usage=_usage(calls),
        started_at=_when(run.created_at), completed_at=_when(run.closed_at or run.updated_at),
        total_time=run.spent_seconds, working_time=run.spent_seconds,
        metadata={
            "run": run.id, "verdict": run.verdict, "reference_match": run.reference_match,
            "stop_reason": run.stop_reason, "seed": run.seed, "calls": run.spent_calls,
            "tokens": run.spent_tokens, "seconds": run.spent_seconds, "dollars": run.spent_cost,
            "options": json.loads(run.config_json),
        },
    )  # fmt: skip


def _messages(call: Call) -> list[Any]:
    """A call as chat messages; the metadata of the answer hold tier, specialist, adapter and
    cost."""
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    kinds = {"system": ChatMessageSystem, "user": ChatMessageUser}
    asked = [
        kinds.get(m["role"], ChatMessageAssistant)(
            id=f"{call.key[:16]}-{k}", content=str(m["content"]), source="input"
        )
        for k, m in enumerate(call.prompt)
    ]
    about = {
        "call": call.key, "bead": call.bead_id, "tier": call.tier, "specialist": call.specialist,
        "adapter": call.adapter_digest, "attempt": call.attempt, "sample": call.sample,
        "prompt_tokens": call.prompt_tokens, "completion_tokens": call.completion_tokens,
        "seconds": call.latency_s, "dollars": call.cost, "finish_reason": call.finish_reason,
    }  # fmt: skip
    answer = ChatMessageAssistant(
        id=call.key[:16], content=call.response, source="generate", model=call.model, metadata=about
    )
    return [*asked, answer]


def _usage(calls: Iterable[Call]) -> dict[str, Any]:
    from inspect_ai.model import ModelUsage

    sums: dict[str, tuple[int, int]] = {}
    for call in calls:
        prompt, completion = sums.get(call.model, (0, 0))
        sums[call.model] = prompt + call.prompt_tokens, completion + call.completion_tokens
    return {
        model: ModelUsage(input_tokens=a, output_tokens=b, total_tokens=a + b)
        for model, (a, b) in sums.items()
    }


def _total(name: str, samples: Sequence[Any]) -> Any:
    """Share of right samples among those with this score; samples without it are not counted."""
    from inspect_ai.log import EvalMetric, EvalScore

    marks = [s.scores[name].value == _mark(True) for s in samples if name in s.scores]
    return EvalScore(
        name=name, scorer=name, scored_samples=len(marks), unscored_samples=len(samples) - len(marks),
        metrics={"accuracy": EvalMetric(name="accuracy", value=sum(marks) / len(marks))}
        if marks else {},
    )  # fmt: skip


def _mark(right: bool) -> str:
    """Inspect's own constant, ``CORRECT`` or ``INCORRECT``."""
    return "C" if right else "I"


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
