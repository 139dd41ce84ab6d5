"""The GSM8K splits: no twin on both sides, readable by trainers and by the harness."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.datasets import load
from scripts.prepare_gsm8k import is_for_evaluation, plain, split, template, write
from state.errors import UsageError
from tests.shared_data import shared


def test_twins_have_one_template() -> None:
    a = "Ann has 3 apples and gives Bob 2.5. How many are left?"
    b = "Tim has 1,200 apples and gives Zoe 7. How many are left?"
    assert template(a) == template(b)
    assert template(a) != template("Ann has 3 pears and gives Bob 2. How many are left?")


def test_marks_are_taken_off() -> None:
    assert plain("2+2=<<2+2=4>>4\n#### 4") == "2+2=4\n#### 4"


def test_a_malformed_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "g.jsonl"
    path.write_text('{"question": "x", "answer": "no mark"}\n')
    with pytest.raises(UsageError, match=r"line 1: field answer"):
        split(path, 0.1, keep_marks=False)


@pytest.mark.slow
def test_the_real_file_splits_without_overlap(tmp_path: Path) -> None:
    training, evaluation = split(shared("gsm8k_train.jsonl"), 0.1, keep_marks=False)
    asked = {row["messages"][0]["content"] for row in training}
    held = {row["statement"] for row in evaluation}
    assert not {template(q) for q in asked} & {template(q) for q in held}
    assert 0.05 < len(held) / (len(held) + len(asked)) < 0.15
    assert all(is_for_evaluation(q, 0.1) for q in held)
    assert not any("<<" in json.dumps(row) for row in training)
    write(tmp_path / "eval.jsonl", evaluation[:20])
    assert len(load("file", str(tmp_path / "eval.jsonl"))) == 20
