"""Turn recorded HumanEval answers of a real model into a recording that the harness replays.

    python -m scripts.record_answers --data ../shared/data --model gpt-4 --out runs/gpt-4.jsonl
    HARNESS_BACKEND=recorded HARNESS_RECORDING=runs/gpt-4.jsonl harness eval compare \
        --suite humaneval --path ../shared/data/humaneval.jsonl --count 110 \
        --systems direct,best_of_n --max-calls 10 --seeds 3

The recording answers what the systems ask: sample *k* of a problem gets the recorded run *k* + 1, so
``direct`` sees the first and ``best_of_n`` up to ten independent answers of the same model. It holds
no answer to a criticism: what the model would have said to one, nobody recorded.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.datasets import humaneval, read_rows
from eval.problems import Problem
from harness.wiring import PROMPT_FLEET
from specialists.backends.base import (
    AdapterRef,
    GenerateRequest,
    GenerateResponse,
    Message,
    Sampling,
    ScoredText,
    Usage,
    most_prompt_tokens,
)
from specialists.backends.recorded import RecordedBackend, request_key
from state.errors import AdapterError, BackendUnavailable
from tiers.model_calls import RESAMPLE_TEMPERATURE
from tiers.prompts import chat


class Answers:
    """A backend that knows a fixed answer to each of its requests; tokens are estimated."""

    name = "answers"
    context_tokens: int | None = None

    def __init__(self, model: str) -> None:
        self.model_id = model
        self.known: dict[str, GenerateResponse] = {}

    async def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResponse]:
        return [self.known[request_key(request)] for request in requests]

    async def score(self, pairs: Any, adapters: Any) -> list[list[ScoredText]]:
        raise BackendUnavailable("recorded answers have no log-probabilities")

    def count_tokens(self, text: str) -> int:
        return len(text) // 3 + 1

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        return most_prompt_tokens(messages)

    def adapters(self) -> dict[str, AdapterRef]:
        return {}

    async def load(self, adapter: AdapterRef) -> None:
        raise AdapterError(f"no adapter {adapter.served_name} in recorded answers")

    async def unload(self, digest: str) -> None:
        raise AdapterError(f"no adapter {digest} in recorded answers")

    async def close(self) -> None:
        return None


def request(problem: Problem, sample: int, seed: int) -> GenerateRequest:
    """What every system asks for sample ``sample``: the problem as it is stated."""
    card = next(c for c in PROMPT_FLEET if c.domain == "code")
    sampling = Sampling(
        max_tokens=card.max_tokens,
        temperature=RESAMPLE_TEMPERATURE if sample else 0.0,
        seed=seed * 1000 + sample,
    )
    return GenerateRequest(messages=chat(card, problem.statement), sampling=sampling)


async def record(folder: Path, model: str, seeds: int, out: Path) -> int:
    """Write the recording; its number of answers. Seeds rotate which recorded run comes first."""
    problems = {
        row["task_id"]: humaneval(row, number, "humaneval.jsonl")
        for number, row in read_rows(folder / "humaneval.jsonl")
    }
    inner = Answers(model)
    backend = RecordedBackend.record(inner, out)
    texts: dict[str, None] = {}
    for _, row in read_rows(folder / "humaneval_model_answers.jsonl"):
        if row["model"] != model:
            continue
        text = row["completion"]
        usage = Usage(
            prompt_tokens=row["prompt_tokens"] or 0,
            completion_tokens=row["completion_tokens"] or inner.count_tokens(text),
        )
        response = GenerateResponse(
            text=text, finish_reason="stop", usage=usage, adapter=None, model=model,
            latency_s=row["duration_s"] or 0.0,
        )  # fmt: skip
        for seed in range(1, seeds + 1):
            asked = request(problems[row["task_id"]], (row["run"] - seed) % 10, seed)
            inner.known[request_key(asked)] = response
            await backend.generate([asked])
            texts |= dict.fromkeys(m.content for m in asked.messages)
    for message in texts:
        backend.count_tokens(message)
    return len(inner.known)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.out.exists():
        parser.error(f"{args.out} exists already")
    count = asyncio.run(record(args.data, args.model, args.seeds, args.out))
    if not count:
        args.out.unlink()
        parser.error(f"no recorded answers of {args.model!r} in {args.data}")
    print(f"{args.out}: {count} answers")


if __name__ == "__main__":
    main()
