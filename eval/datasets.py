"""Public data sets as problems: from a local file, or by their Hugging Face ``datasets`` name.

Each reader turns a row into a problem. The checks that decide right or wrong are always hidden;
only examples that the statement itself shows become public checks.
"""

from __future__ import annotations

import ast
import builtins
import doctest
import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import yaml

from eval.problems import Problem
from eval.schema import flat, problem_from, short
from state.errors import SetupError, UsageError
from tiers.numbers import answer_number

Row = Mapping[str, Any]


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, row) of a ``.jsonl`` file, or (number, row) of a list in ``.json`` or ``.yaml``.

    Raises UsageError naming file and line.
    """
    where = _place(path)
    if not path.is_file():
        raise UsageError(f"data file {where}: no such file")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"data file {where}: is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise UsageError(f"data file {where}: cannot be read: {error.strerror}") from None
    if path.suffix.lower() != ".jsonl":
        yield from _listed(text, where)
        return
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UsageError(
                f"data file {where}, line {number}: broken JSON: {flat(str(error))}"
            ) from None
        yield number, _mapping(row, f"data file {where}, line {number}")


def _place(path: Path | str) -> str:
    """A path for an error message: a long one is shortened to its end, which has the file's
    name."""
    text = str(path)
    return repr(text if len(text) <= 60 else "…" + text[-59:])


def _listed(text: str, where: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        rows = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        says = flat(error.problem or "")
        raise UsageError(f"data file {where}, line {line}: broken YAML: {says}") from None
    except (ValueError, yaml.YAMLError) as error:
        raise UsageError(f"data file {where}: cannot be read: {flat(str(error))}") from None
    if not isinstance(rows, list):
        raise UsageError(f"data file {where}: is not a list of problems")
    for number, row in enumerate(rows, 1):
        yield number, _mapping(row, f"data file {where}, item {number}")


def _mapping(row: object, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise UsageError(f"{where}: is not a mapping of fields")
    return {str(key): value for key, value in row.items()}


@dataclass(frozen=True)
class Dataset:
    """Conversion of one data set's rows into problems."""

    read: Callable[[Row, int, str], Problem]
    """(row, number, where) → problem. Raises UsageError naming ``where`` and the field."""
    hub: str
    """Name on the Hugging Face hub, with configuration and split."""


def load(name: str, path: str | None) -> list[Problem]:
    """The problems of a data set, from a file or the hub (``path`` ``None``: its usual place there).

    Raises UsageError for an unknown name or a malformed row, SetupError where ``datasets`` or the
    network is missing.
    """
    if name not in DATASETS:
        raise UsageError(f"no data set {short(name)}; data sets: {', '.join(DATASETS)}")
    dataset = DATASETS[name]
    if not (path or dataset.hub):
        raise UsageError(f"--suite {name} needs --path FILE")
    local = path is not None and (Path(path).exists() or Path(path).suffix != "")
    rows = read_rows(Path(path or "")) if local else _from_hub(path or dataset.hub)
    source = _place(path or dataset.hub)
    problems = [dataset.read(row, k, f"{source}, row {k}") for k, row in rows]
    if not problems:
        raise UsageError(f"data file {source}: holds no problems")
    return problems


def _from_hub(name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of ``owner/name[:configuration[:split]]`` on the Hugging Face hub, or of its cache."""
    if "huggingface_hub" not in sys.modules and not _reachable():
        # Without this setting, the library retries for half a minute.
        os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        import datasets
    except ImportError:
        raise SetupError(
            f"data set {name}: pip install datasets, or give a local file with --path"
        ) from None
    for library in ("datasets", "huggingface_hub"):
        logging.getLogger(library).setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    repository, _, rest = name.partition(":")
    configuration, _, split = rest.partition(":")
    try:
        table = datasets.load_dataset(repository, configuration or None, split=split or "test")
    except Exception as error:  # noqa: BLE001 - it lets through what its own libraries raise
        raise SetupError(
            f"data set {name} cannot be had: {flat(str(error))}; or give a local file with --path"
        ) from None
    yield from ((number, dict(row)) for number, row in enumerate(table, 1))


def _reachable() -> bool:
    """Whether a server answers at the hub's address; true behind a proxy, where this cannot be
    known."""
    address = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    if getproxies():
        return True
    try:
        port = address.port or (80 if address.scheme == "http" else 443)
        socket.create_connection((address.hostname or "", port), timeout=5).close()
    except (OSError, ValueError):
        return False
    return True


def _field(row: Row, where: str, *names: str) -> Any:
    """The first of the named fields that the row has. Raises UsageError naming them."""
    for name in names:
        if row.get(name) is not None:
            return row[name]
    raise UsageError(f"{where}: no field {' or '.join(names)}")


def gsm8k(row: Row, number: int, where: str) -> Problem:
    """GSM8K (Cobbe et al. 2021, arXiv 2110.14168): the number after ``####`` is the answer."""
    question, answer = _field(row, where, "question"), str(_field(row, where, "answer"))
    _, mark, expected = answer.rpartition("####")
    if not mark or answer_number(expected) is None:
        raise UsageError(f"{where}: field answer does not end in '#### number'")
    return _number_problem(f"gsm8k/{number}", str(question), expected.strip(), where)


def svamp(row: Row, number: int, where: str) -> Problem:
    """SVAMP (Patel et al. 2021, NAACL): body, question and a number."""
    statement = f"{_field(row, where, 'Body', 'body')} {_field(row, where, 'Question', 'question')}"
    answer = str(_field(row, where, "Answer", "answer"))
    return _number_problem(f"svamp/{number}", statement, answer, where)


def _number_problem(id: str, statement: str, expected: str, where: str) -> Problem:
    check = {"kind": "numeric", "spec": {"expected": expected}}
    fields = {"id": id, "kind": "text", "statement": statement, "hidden_checks": [check],
              "meta": {"suite": id.partition("/")[0]}}  # fmt: skip
    return problem_from(fields, where, id)


def humaneval(row: Row, number: int, where: str) -> Problem:
    """HumanEval (Chen et al. 2021, arXiv 2107.03374): a function to complete; its docstring's
    examples are public checks, its tests hidden."""
    prompt, entry = str(_field(row, where, "prompt")), str(_field(row, where, "entry_point"))
    test = str(_field(row, where, "test"))
    id = str(row.get("task_id") or f"humaneval/{number}").lower()
    cases = examples(prompt, entry)
    public = {"entry_point": entry, "cases": cases, "prompt": prompt}
    fields = {
        "id": id, "kind": "code", "entry_point": entry,
        "statement": f"Complete this Python function.\n\n```python\n{prompt.strip()}\n```",
        "public_checks": [{"kind": "function", "spec": public}] if cases else [],
        "hidden_checks": [
            {"kind": "unit_test", "spec": {"entry_point": entry, "test": test, "prompt": prompt}}
        ],
        "meta": {"suite": "humaneval"},
    }  # fmt: skip
    return problem_from(fields, where, id)


def examples(prompt: str, entry_point: str) -> list[dict[str, Any]]:
    """The docstring's examples that are one call with literal arguments and a literal value."""
    try:
        tree = ast.parse(prompt)
        functions = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
        text = next((ast.get_docstring(n) for n in functions if n.name == entry_point), None)
        parsed = doctest.DocTestParser().get_examples(text or "")
    except (SyntaxError, ValueError):
        return []
    found = []
    for example in parsed:
        try:
            call = ast.parse(example.source.strip(), mode="eval").body
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            if call.func.id != entry_point or call.keywords:
                continue
            args = [ast.literal_eval(arg) for arg in call.args]
            case = {"args": args, "expected": ast.literal_eval(example.want.strip())}
            json.dumps(case)
        except (SyntaxError, ValueError, TypeError):
            continue
        found.append(case)
    return found


def mbpp(row: Row, number: int, where: str) -> Problem:
    """MBPP (Austin et al. 2021, arXiv 2108.07732): the first assert is shown and public, all are
    hidden."""
    text = str(_field(row, where, "text", "prompt"))
    tests = [str(t) for t in _field(row, where, "test_list")]
    if not tests:
        raise UsageError(f"{where}: field test_list is empty")
    setup = row.get("test_setup_code") or "\n".join(row.get("test_imports") or [])
    hidden = [*tests, *(str(t) for t in row.get("challenge_test_list") or [])]
    entry = _called(tests[0], where)
    id = f"mbpp/{row.get('task_id', number)}"

    def check(asserts: list[str]) -> dict[str, Any]:
        test = "\n".join([str(setup), *asserts])
        return {"kind": "unit_test", "spec": {"entry_point": entry, "test": test}}

    fields = {
        "id": id, "kind": "code", "entry_point": entry,
        "statement": f"{text.strip()}\nYour code should pass this test:\n\n{tests[0]}",
        "public_checks": [check(tests[:1])], "hidden_checks": [check(hidden)],
        "meta": {"suite": "mbpp"},
    }  # fmt: skip
    return problem_from(fields, where, id)


def _called(test: str, where: str) -> str:
    """The function that an assert tests: the first called name that is not a Python builtin."""
    try:
        tree = ast.parse(test)
    except SyntaxError:
        raise UsageError(f"{where}: field test_list: does not parse: {short(test)}") from None
    called = [n.func for n in ast.walk(tree) if isinstance(n, ast.Call)]
    for function in called:
        if isinstance(function, ast.Name) and not hasattr(builtins, function.id):
            return function.id
    raise UsageError(f"{where}: field test_list: calls no function: {short(test)}")


def own(row: Row, number: int, where: str) -> Problem:
    """A row in the project's own schema: the fields of :class:`eval.problems.Problem`."""
    return problem_from(dict(row), where, f"file/{number}")


DATASETS: dict[str, Dataset] = {
    "gsm8k": Dataset(gsm8k, "openai/gsm8k:main:test"),
    "humaneval": Dataset(humaneval, "openai/openai_humaneval::test"),
    "mbpp": Dataset(mbpp, "google-research-datasets/mbpp:full:test"),
    "svamp": Dataset(svamp, "ChilleD/SVAMP::test"),
    "file": Dataset(own, ""),
}
"""Suite name → data set; ``file`` is any JSONL or YAML in the project's own schema."""
