"""Make training and evaluation splits of GSM8K without overlap.

    python -m scripts.prepare_gsm8k --path ../shared/data/gsm8k_train.jsonl --out runs/gsm8k

``train.jsonl`` holds chat messages (``messages``, as trl and peft trainers read them), ``eval.jsonl``
problems in the project's schema (``harness eval compare --suite file --path …/eval.jsonl``). The
split is by *template*: questions that differ only in numbers and names are one, so none has a twin on
the other side; it depends on the question alone, not on order or a seed. Answers lose their
calculator marks unless ``--keep-marks``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from eval.datasets import gsm8k, read_rows
from state.errors import UsageError

SHARE = 0.1
"""Share of the templates that are used for evaluation."""


def template(question: str) -> str:
    """The question without its numbers, names and punctuation: twins have the same."""
    text = re.sub(r"(?<=[a-z,;] )[A-Z]\w+", "name", question)  # capitals inside a sentence
    words = re.findall(r"[a-z]+|#", re.sub(r"[\d.,]*\d", "#", text).lower())
    return " ".join(words[1:])  # the first word is a name more often than not


def is_for_evaluation(question: str, share: float) -> bool:
    """Whether the question's template falls into the share for evaluation."""
    digest = hashlib.sha256(template(question).encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def plain(answer: str) -> str:
    """An answer without its calculator marks ``<<…>>``."""
    return re.sub(r"<<[^<>]*>>", "", answer)


def split(
    path: Path, share: float, *, keep_marks: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(training rows, evaluation rows). Raises UsageError for a malformed row."""
    training, evaluation = [], []
    seen: set[str] = set()
    for number, row in read_rows(path):
        problem = gsm8k(row, number, f"{path}, line {number}")
        if problem.statement in seen:
            continue
        seen.add(problem.statement)
        if is_for_evaluation(problem.statement, share):
            evaluation.append(problem.model_dump(mode="json"))
            continue
        answer = row["answer"] if keep_marks else plain(row["answer"])
        messages = [
            {"role": "user", "content": problem.statement},
            {"role": "assistant", "content": answer},
        ]
        training.append({"id": problem.id, "messages": messages})
    return training, evaluation


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """One JSON line for each row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/gsm8k"))
    parser.add_argument(
        "--share", type=float, default=SHARE, help="of the templates, for evaluation"
    )
    parser.add_argument("--keep-marks", action="store_true")
    args = parser.parse_args()
    if not 0 < args.share < 1:
        parser.error(f"--share: should lie between 0 and 1, not {args.share:g}")
    try:
        training, evaluation = split(args.path, args.share, keep_marks=args.keep_marks)
    except UsageError as error:
        parser.error(str(error))
    write(args.out / "train.jsonl", training)
    write(args.out / "eval.jsonl", evaluation)
    print(f"{args.out}: {len(training)} for training, {len(evaluation)} for evaluation")


if __name__ == "__main__":
    main()
