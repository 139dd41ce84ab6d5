"""Recorded answers of real models as a table to route on: quality, cost, public verdict.

Grounds: HumanEval completions of three chat models, ten runs each, and GSM8K solutions of four
models (Cobbe et al. 2021, arXiv 2110.14168). Files are described in their folder's README.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.routing.docstring import public_check, runnable
from state import UsageError
from tiers.protocol import Validator

AT_ONCE = 4
"""Most sandboxes under way at a time."""

HUMANEVAL_PRICES: dict[str, tuple[float, float]] = {
    "codellama-34b-instruct": (0.0008, 0.0008),
    "gpt-3.5-turbo": (0.0015, 0.002),
    "gpt-4": (0.03, 0.06),
}
"""List prices of mid-2023, US dollars per 1,000 (prompt, completion) tokens."""

GSM8K_PRICES: dict[str, tuple[float, float]] = {
    "6b_finetuning": (0.002, 0.002),
    "175b_finetuning": (0.02, 0.02),
    "6b_verification": (0.2, 0.2),
    "175b_verification": (2.0, 2.0),
}
"""List prices of models of that size in 2022; verification samples 100 solutions for each answer."""

CHARACTERS_PER_TOKEN = 4.0
"""Characters of a token where a record counts no tokens and no other model's count of the text is
known."""


@dataclass(frozen=True)
class Ground:
    """Tasks × models × runs: the data that a router may see, and those that only scoring may
    see."""

    name: str
    tasks: tuple[str, ...]
    """Problem texts, the only data that a router may read."""
    models: tuple[str, ...]
    """Models, cheapest first, by mean cost."""
    passed: NDArray[np.bool_]
    """Real verdicts (tasks, models, runs), hidden from every policy except the oracle."""
    cost: NDArray[np.float64]
    """Cost (tasks, models, runs) in US dollars."""
    public: NDArray[np.int8] | None
    """Public verdicts (tasks, models, runs): 1 passed the public checks, 0 failed, −1 there are
    none."""
    native: str
    """The model that a person would choose for this kind of task."""
    notes: tuple[str, ...] = ()


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Rows of a JSONL file. Raises ``UsageError`` naming the file and the malformed line."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(json.loads(line))
        except ValueError:
            raise UsageError(f"{file}: line {number} is not JSON") from None
    return rows


def gsm8k(folder: Path, prices: Mapping[str, tuple[float, float]] | None = None) -> Ground:
    """The GSM8K ground: one answer of each model, no public checks, tokens estimated from
    characters."""
    prices = prices or GSM8K_PRICES
    rows = read_rows(folder / "gsm8k_model_answers.jsonl")
    models = tuple(prices)
    passed = np.array([[[bool(row[m]["is_correct"])] for m in models] for row in rows])
    sizes = np.array(
        [[[len(row["question"]), len(row[m]["solution"])] for m in models] for row in rows]
    )
    rates = np.array([prices[m] for m in models])
    cost = (sizes / CHARACTERS_PER_TOKEN * rates / 1000).sum(axis=2, keepdims=True)
    return _by_cost(
        "gsm8k", tuple(row["question"] for row in rows), models, passed, cost, None,
        "6b_finetuning", (f"tokens estimated as characters / {CHARACTERS_PER_TOKEN:g}",),
    )  # fmt: skip


async def humaneval(
    folder: Path,
    validators: Mapping[str, Validator],
    cache: Path,
    prices: Mapping[str, tuple[float, float]] | None = None,
    runs: int = 10,
) -> Ground:
    """The HumanEval ground with public verdicts, run in the sandbox once and kept in ``cache``.

    ``runs`` limits the number of runs of each model, of which there are ten. Raises
    ``SandboxUnavailable`` where code must run and cannot.
    """
    prices = prices or HUMANEVAL_PRICES
    problems = {row["task_id"]: row for row in read_rows(folder / "humaneval.jsonl")}
    answers = [
        row for row in read_rows(folder / "humaneval_model_answers.jsonl")
        if row["task_id"] in problems and row["model"] in prices and row["run"] <= runs
    ]  # fmt: skip
    tasks, models = list(problems), tuple(prices)
    runs = max((row["run"] for row in answers), default=0)
    at = {(row["task_id"], row["model"], row["run"]): row for row in answers}
    shape = (len(tasks), len(models), runs)
    if len(at) != np.prod(shape):
        raise UsageError(f"{folder}: answers are not {shape[0]} tasks × {shape[1]} × {shape[2]}")
    prompt_rate, answer_rate = _characters_per_token(problems, answers)
    verdicts = await _public_verdicts(problems, answers, validators, cache)
    passed, cost = np.zeros(shape, dtype=bool), np.zeros(shape)
    public = np.zeros(shape, dtype=np.int8)
    for i, task in enumerate(tasks):
        for j, model in enumerate(models):
            for k in range(runs):
                row = at[task, model, k + 1]
                text = len(problems[task]["prompt"]), len(row["completion"])
                counts = (
                    row["prompt_tokens"] or text[0] / prompt_rate,
                    row["completion_tokens"] or text[1] / answer_rate,
                )
                passed[i, j, k] = row["passed"]
                cost[i, j, k] = sum(n * p for n, p in zip(counts, prices[model], strict=True)) / 1e3
                public[i, j, k] = verdicts[_key(row)]
    unknown = sum(row["prompt_tokens"] is None for row in answers)
    notes = (
        f"{unknown} of {len(answers)} answers without token counts: estimated with "
        f"{prompt_rate:.2f} characters a prompt token and {answer_rate:.2f} an answer token, the "
        "means of the others",
        f"{sum(public[i].max() >= 0 for i in range(len(tasks)))} of {len(tasks)} tasks show "
        "examples that can be run",
    )
    texts = tuple(problems[t]["prompt"] for t in tasks)
    return _by_cost(
        "humaneval", texts, models, passed, cost, public, "codellama-34b-instruct", notes
    )


def _by_cost(
    name: str,
    tasks: tuple[str, ...],
    models: tuple[str, ...],
    passed: NDArray[np.bool_],
    cost: NDArray[np.float64],
    public: NDArray[np.int8] | None,
    native: str,
    notes: tuple[str, ...],
) -> Ground:
    order = np.argsort(cost.mean(axis=(0, 2)), kind="stable")
    return Ground(
        name, tasks, tuple(models[k] for k in order), passed[:, order], cost[:, order],
        None if public is None else public[:, order], native, notes,
    )  # fmt: skip


def _characters_per_token(
    problems: Mapping[str, dict[str, Any]], answers: list[dict[str, Any]]
) -> tuple[float, float]:
    """Characters per prompt token and per answer token, over the answers that count them."""
    counted = [row for row in answers if row["prompt_tokens"]]
    if not counted:
        return CHARACTERS_PER_TOKEN, CHARACTERS_PER_TOKEN
    prompts = sum(len(problems[row["task_id"]]["prompt"]) for row in counted)
    texts = sum(len(row["completion"]) for row in counted)
    return (
        prompts / sum(row["prompt_tokens"] for row in counted),
        texts / sum(row["completion_tokens"] for row in counted),
    )


def _key(row: Mapping[str, Any]) -> str:
    text = json.dumps([row["task_id"], row["completion"]])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


async def _public_verdicts(
    problems: Mapping[str, dict[str, Any]],
    answers: list[dict[str, Any]],
    validators: Mapping[str, Validator],
    cache: Path,
) -> dict[str, int]:
    """Verdict of the public checks by answer: 1, 0, or −1 where the task shows no example."""
    checks = {
        task: public_check(row["prompt"], row["entry_point"]) for task, row in problems.items()
    }
    salt = hashlib.sha256(
        "".join(c.model_dump_json() if c else "-" for c in checks.values()).encode()
    ).hexdigest()[:12]
    known: dict[str, int] = {}
    if cache.is_file():
        rows = read_rows(cache)
        known = {row["key"]: row["public"] for row in rows if row["salt"] == salt}
    cache.parent.mkdir(parents=True, exist_ok=True)
    gate = asyncio.Semaphore(AT_ONCE)
    todo: dict[str, dict[str, Any]] = {}
    for row in sorted(answers, key=lambda row: int(row["run"])):
        if checks[row["task_id"]] is None:
            known[_key(row)] = -1
        elif _key(row) not in known:
            todo.setdefault(_key(row), row)

    async def one(key: str, row: dict[str, Any]) -> None:
        check, problem = checks[row["task_id"]], problems[row["task_id"]]
        assert check is not None
        program = runnable(problem["prompt"], problem["entry_point"], row["completion"])
        async with gate:
            result = await validators[check.kind].validate(program, check)
        known[key] = int(result.passed)
        with cache.open("a") as out:
            line = {"key": key, "public": known[key], "salt": salt, "why": result.signature}
            out.write(json.dumps(line) + "\n")

    await asyncio.gather(*(one(key, row) for key, row in todo.items()))
    return known
