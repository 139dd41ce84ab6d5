"""Data sets from files as problems, and the error messages for malformed files."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from eval import score
from eval.datasets import examples, load, read_rows
from eval.selection import select, select_all
from eval.validators import validators
from state.errors import SetupError, UsageError
from tests.shared_data import shared

VALIDATORS = validators()


def lines(folder: Path, *rows: Any, name: str = "rows.jsonl") -> str:
    path = folder / name
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    return str(path)


def solved(problem: Any, answer: str) -> bool:
    return all(r.passed for r in asyncio.run(score(problem, answer, VALIDATORS)))


def test_gsm8k(tmp_path: Path) -> None:
    row = {
        "question": "How many?",
        "answer": "It is 1,000 + 234 = <<1000+234=1234>>1234\n#### 1,234",
    }
    (problem,) = load("gsm8k", lines(tmp_path, row))
    assert (problem.id, problem.kind, problem.public_checks) == ("gsm8k/1", "text", ())
    assert solved(problem, "so 1234 in all")
    assert not solved(problem, "1235")
    assert "1,234" not in problem.task().model_dump_json()


def test_svamp(tmp_path: Path) -> None:
    row = {"Body": "Ann has 3.", "Question": "How many?", "Answer": 3.0}
    (problem,) = load("svamp", lines(tmp_path, row))
    assert problem.statement == "Ann has 3. How many?"
    assert solved(problem, "3")


HUMANEVAL = {
    "task_id": "HumanEval/0", "entry_point": "inc", "canonical_solution": "    return x + 1\n",
    "prompt": 'def inc(x):\n    """ One more.\n    >>> inc(1)\n    2\n    >>> inc(y)\n    3\n    """\n',
    "test": "def check(candidate):\n    assert candidate(41) == 42\n",
}  # fmt: skip


@pytest.mark.slow
def test_humaneval(tmp_path: Path) -> None:
    (problem,) = load("humaneval", lines(tmp_path, HUMANEVAL))
    assert problem.id == "humaneval/0"
    assert problem.public_checks[0].spec["cases"] == [
        {"args": [1], "kwargs": {}, "expected": 2}
    ] or (problem.public_checks[0].spec["cases"] == [{"args": [1], "expected": 2}])
    assert "41" not in problem.task().model_dump_json()
    assert solved(problem, HUMANEVAL["canonical_solution"])
    assert not solved(problem, "def inc(x): return 2")


def test_examples_are_literal_calls_only() -> None:
    said = ">>> f(1, [2])\n'a'\n>>> g(1)\n2\n>>> f(x)\n1\n>>> f(2) + 1\n3\n>>> f({1})\n{1}\n>>> f(3)\n9\n"
    prompt = f'def f(x):\n    """\n{textwrap.indent(said, "    ")}    """\n'
    found = [{"args": [1, [2]], "expected": "a"}, {"args": [3], "expected": 9}]
    assert examples(prompt, "f") == found
    assert examples(prompt, "g") == examples("def f(", "f") == []


@pytest.mark.slow
def test_mbpp(tmp_path: Path) -> None:
    row = {
        "task_id": 7, "text": "Write a function to double.", "code": "def double(x): return 2 * x",
        "test_list": ["assert double(2) == 4", "assert sorted(double([1])) == [1, 1]"],
        "challenge_test_list": ["assert double(0) == 0"], "test_setup_code": "",
    }  # fmt: skip
    (problem,) = load("mbpp", lines(tmp_path, row))
    assert (problem.id, problem.entry_point) == ("mbpp/7", "double")
    assert "double(2) == 4" in problem.statement
    assert "double(0)" not in problem.task().model_dump_json()
    assert solved(problem, row["code"])  # type: ignore[arg-type]
    assert not solved(problem, "def double(x): return 4")


def test_own_schema_as_jsonl_and_yaml(tmp_path: Path) -> None:
    row = {"statement": "2 + 2?", "hidden_checks": [{"kind": "numeric", "spec": {"expected": 4}}]}
    (a,) = load("file", lines(tmp_path, row))
    (b,) = load("file", lines(tmp_path, "- statement: 2 + 2?", "  hidden_checks: ",
                              "  - {kind: numeric, spec: {expected: 4}}", name="rows.yaml"))  # fmt: skip
    assert a == b
    assert a.checker == "numeric"


@pytest.mark.parametrize(
    ("name", "rows", "says"),
    [
        ("file", ["{"], "line 1: broken JSON"),
        ("file", [{"statement": "x"}, "", "[1]"], "line 3: is not a mapping"),
        ("file", [{"statement": "x"}, {"state": 1}], "row 2: unknown field 'state'"),
        ("file", [{"statement": "x", "hidden_checks": [{"kind": "magic"}]}], "kind: no 'magic'"),
        ("file", [], "holds no problems"),
        ("gsm8k", [{"question": "x"}], "row 1: no field answer"),
        ("gsm8k", [{"question": "x", "answer": "4"}], "does not end in '#### number'"),
        ("mbpp", [{"text": "x", "test_list": []}], "row 1: field test_list is empty"),
        ("mbpp", [{"text": "x", "test_list": ["assert ("]}], "does not parse"),
        ("humaneval", [{"prompt": "x"}], "no field entry_point"),
    ],
)
def test_a_malformed_file_names_line_and_field(
    tmp_path: Path, name: str, rows: list[Any], says: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load(name, lines(tmp_path, *rows))
    assert says in str(caught.value)
    assert "rows.jsonl" in str(caught.value)


def test_what_cannot_be_had_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load("gsm8k", str(tmp_path / "none.jsonl"))
    with pytest.raises(UsageError, match="needs --path"):
        load("file", None)
    with pytest.raises(UsageError, match="no data set"):
        load("mnist", None)
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(SetupError, match="pip install datasets"):
        load("gsm8k", None)


def test_selection() -> None:
    assert [p.id for p in select("horizon/4", None, 2, 5)] == ["horizon/4-5", "horizon/4-6"]
    with pytest.raises(UsageError, match="no suite"):
        select("horizons", None, 1)
    both = select_all(["horizon/4", "pocket-code"], None, 1)
    assert list(both) == ["horizon/4", "pocket-code"]


@pytest.mark.slow
def test_the_real_files_are_read() -> None:
    problems = load("gsm8k", str(shared("gsm8k_train.jsonl")))
    assert len(problems) == len(list(read_rows(shared("gsm8k_train.jsonl"))))
    assert all(p.checker == "numeric" for p in problems)
    problems = load("humaneval", str(shared("humaneval.jsonl")))
    assert len({p.id for p in problems}) == len(problems) == 110
    assert sum(bool(p.public_checks) for p in problems) > 40


@pytest.mark.slow
def test_the_hub_library_reads_what_the_loaders_understand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository in the hub's layout, read by the ``datasets`` library, as ``--path NAME`` does."""
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "grade" / "school"
    folder.mkdir(parents=True)
    rows = [{"question": f"What is {k} + 1?", "answer": f"#### {k + 1}"} for k in range(3)]
    (folder / "test.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (folder / "train.jsonl").write_text(json.dumps({"question": "no", "answer": "#### 0"}) + "\n")
    found = load("gsm8k", "grade/school:default:test")
    assert [p.statement for p in found] == [r["question"] for r in rows]
    assert found[2].hidden_checks[0].spec["expected"] == "3"
    with pytest.raises(SetupError, match="cannot be had"):
        load("gsm8k", "grade/school:default:validation")


@pytest.mark.slow
@pytest.mark.parametrize("place", [(), ("--path", "nobody/nothing")])
def test_a_hub_that_is_not_reached_is_one_line(tmp_path: Path, place: tuple[str, ...]) -> None:
    pytest.importorskip("datasets")
    command = [sys.executable, "-m", "harness", "eval", "compare", "--suite", "gsm8k", *place]
    root = str(Path(__file__).parents[2])
    environment = {
        **os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path),
        "HARNESS_HOME": str(tmp_path), "PYTHONPATH": root,
    }  # fmt: skip
    for name in ("http_proxy", "https_proxy", "all_proxy", "HF_HUB_OFFLINE"):
        environment.pop(name, None)
        environment.pop(name.upper(), None)
    done = subprocess.run(
        command, cwd=tmp_path, text=True, capture_output=True, env=environment, check=False
    )
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: data set {place[-1] if place else 'openai/gsm8k'}")
    assert "cannot be had" in done.stderr
    assert "--path" in done.stderr
    assert done.stdout == ""
