"""Measure the judges against recorded verdicts on real answers, and write the table of disagreements.

    python -m scripts.research.measure_judges --data ../shared/data --out docs/benchmarks/judges.json

HumanEval: every distinct recorded completion goes through the ``unit_test`` validator, the answers
to one problem in one sandbox launch; verdicts are kept in ``--cache`` so that an interrupted
measurement goes on. GSM8K: the ``numeric`` validator against ``is_correct``. ``--sample N`` takes
the first N problems of each set.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from eval.datasets import read_rows
from eval.sandbox import BubblewrapSandbox, Limits
from eval.statistics import wilson
from eval.validators.numeric import NumericValidator
from eval.validators.unit_test import judge_many
from tiers.protocol import Check, CheckResult

GSM8K_MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
CPU_SECONDS = 3
"""The time limit of the original HumanEval harness (Chen et al. 2021, arXiv 2107.03374)."""
PATIENCE_S = 180.0
"""Wall-clock seconds for one candidate: only programs that sleep should reach it, even on a busy
machine."""


class Cache:
    """Verdicts by content, one JSON line each, appended as they are computed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        self.held = {row["key"]: CheckResult.model_validate(row["result"])
                     for row in map(json.loads, lines)}  # fmt: skip

    def add(self, key: str, result: CheckResult) -> None:
        self.held[key] = result
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as out:
            row = {"key": key, "result": result.model_dump(exclude={"seconds"})}
            out.write(json.dumps(row) + "\n")


def unit_test(problem: dict[str, Any]) -> Check:
    """The check made of HumanEval's own tests."""
    spec = {name: problem[name] for name in ("entry_point", "test", "prompt")}
    return Check(kind="unit_test", spec={**spec, "timeout": PATIENCE_S})


async def judged(
    problem: dict[str, Any], answers: Iterable[str], cache: Cache, sandbox: BubblewrapSandbox
) -> dict[str, CheckResult]:
    """Answer → verdict for the distinct answers to one problem."""
    check = unit_test(problem)
    asked = json.dumps([check.spec["test"], CPU_SECONDS])
    keys = {a: hashlib.sha256((asked + a).encode()).hexdigest() for a in dict.fromkeys(answers)}
    missing = [a for a, key in keys.items() if key not in cache.held]
    limits = Limits(cpu_seconds=CPU_SECONDS)
    for answer, result in zip(
        missing, await judge_many(sandbox, missing, check, limits), strict=True
    ):
        cache.add(keys[answer], result)
    return {answer: cache.held[key] for answer, key in keys.items()}


async def humaneval(folder: Path, cache: Cache, sample: int | None) -> dict[str, Any]:
    """Agreement on the recorded completions, and whether the reference solutions pass."""
    problems = [row for _, row in read_rows(folder / "humaneval.jsonl")][:sample]
    recorded: dict[str, list[dict[str, Any]]] = {p["task_id"]: [] for p in problems}
    for _, row in read_rows(folder / "humaneval_model_answers.jsonl"):
        if row["task_id"] in recorded:
            recorded[row["task_id"]].append(row)
    sandbox = BubblewrapSandbox()
    total = agree = references = 0
    differing: dict[tuple[str, str], dict[str, Any]] = {}

    async def one(problem: dict[str, Any]) -> None:
        nonlocal total, agree, references
        rows, reference = recorded[problem["task_id"]], problem["canonical_solution"]
        verdicts = await judged(
            problem, [reference, *(r["completion"] for r in rows)], cache, sandbox
        )
        references += verdicts[reference].passed
        for row in rows:
            ours, theirs = verdicts[row["completion"]], row["passed"]
            total, agree = total + 1, agree + (ours.passed == theirs)
            if ours.passed != theirs:
                key = (problem["task_id"], row["completion"])
                entry = differing.setdefault(key, {
                    "task": problem["task_id"], "model": row["model"], "rows": 0, "ours": ours.passed,
                    "recorded": theirs, "signature": ours.signature, "detail": ours.detail,
                    "completion": row["completion"],
                })  # fmt: skip
                entry["rows"] += 1
        print(f"{problem['task_id']}: {agree} of {total} agree", file=sys.stderr, flush=True)

    slots = asyncio.Semaphore(os.cpu_count() or 1)

    async def slotted(problem: dict[str, Any]) -> None:
        async with slots:
            await one(problem)

    await asyncio.gather(*(slotted(p) for p in problems))
    return {
        "answers": total, "agree": agree, "problems": len(problems), "references_pass": references,
        "differing": sorted(differing.values(), key=lambda d: (d["task"], d["model"])),
    }  # fmt: skip


async def gsm8k(folder: Path, sample: int | None) -> dict[str, Any]:
    """Agreement of the numeric judge with the recorded verdicts."""
    validator = NumericValidator()
    total = agree = 0
    differing = []
    for line, row in list(read_rows(folder / "gsm8k_model_answers.jsonl"))[:sample]:
        expected = row["ground_truth"].rpartition("A:")[2].strip()
        check = Check(kind="numeric", spec={"expected": expected})
        for model in GSM8K_MODELS:
            answer, theirs = row[model]["solution"], row[model]["is_correct"]
            ours = await validator.validate(answer, check)
            total, agree = total + 1, agree + (ours.passed == theirs)
            if ours.passed != theirs:
                differing.append({
                    "task": f"line {line}", "model": model, "rows": 1, "ours": ours.passed,
                    "recorded": theirs, "signature": ours.signature, "detail": ours.detail,
                    "completion": answer,
                })  # fmt: skip
    return {"answers": total, "agree": agree, "differing": differing}


def render(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = [
        "# Judges against recorded verdicts", "",
        "Written by `python -m scripts.research.measure_judges`. Development figures: a portion of each data "
        "set is held back.", "",
        "| judge | answers | agree | share | 95% Wilson interval |", "| --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for name, part in result.items():
        low, high = wilson(part["agree"], part["answers"])
        share = part["agree"] / part["answers"]
        lines.append(
            f"| {name} | {part['answers']} | {part['agree']} | {share:.2%} "
            f"| {low:.2%} to {high:.2%} |"
        )
    code = result["HumanEval, unit_test"]
    lines += [
        "", f"Reference solutions that pass: {code['references_pass']} of {code['problems']}.",
        "", "## Every disagreement", "",
        "| judge | problem | model | answers | recorded | ours | what ours saw | reading |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    words = {True: "passes", False: "fails"}
    for name, part in result.items():
        for d in part["differing"]:
            saw = (d["detail"] or "every test passes").replace("|", "\\|")
            lines.append(
                f"| {name.partition(',')[0]} | {d['task']} | {d['model']} | {d['rows']} "
                f"| {words[d['recorded']]} | {words[d['ours']]} | {saw} | {reading(d)} |"
            )
    return "\n".join(lines) + "\n"


def reading(difference: dict[str, Any]) -> str:
    """Why the verdicts differ, as far as the answer itself shows the reason."""
    text = difference["completion"]
    if difference["ours"] and text.count("```") > 2:
        return (
            "the program is right; a second fence inside the first hid it from the recorded judge"
        )
    if difference["ours"]:
        return "every original test holds here; the recorded judge could not use the text as it is"
    if difference["signature"] == "timeout":
        return f"right but slow: more than {CPU_SECONDS} s of CPU"
    return "the tests say no here; the recorded verdict cannot be reproduced from the text"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/judges.json"))
    parser.add_argument("--cache", type=Path, default=Path("runs/judge-verdicts.jsonl"))
    parser.add_argument(
        "--sample", type=int, default=None, help="problems of each set; default: all"
    )
    args = parser.parse_args()
    result = {
        "GSM8K, numeric": asyncio.run(gsm8k(args.data, args.sample)),
        "HumanEval, unit_test": asyncio.run(humaneval(args.data, Cache(args.cache), args.sample)),
    }
    page = render(result)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.with_suffix(".md").write_text(page)
    # Recorded answers belong to others, so they are not copied into the file.
    for part in result.values():
        for difference in part["differing"]:
            del difference["completion"]
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(page)


if __name__ == "__main__":
    main()
