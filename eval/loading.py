"""Where a problem comes from: a suite, a file, or the standard input."""

from __future__ import annotations

import json
import re
from hashlib import blake2b
from pathlib import Path
from typing import TextIO, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from eval import suites
from eval.problems import NO_CHECKER, Problem, split_section
from eval.validators.explanation import ExplanationSpec
from eval.validators.function import ClassOpsSpec, FunctionSpec
from eval.validators.numeric import NumericSpec
from eval.validators.program_value import ProgramValueSpec
from eval.validators.stdio import StdioSpec
from eval.validators.text import AnyOfSpec, ExactSpec, UnorderedSpec
from eval.validators.verdict import Spec
from specialists.pocket.split import LABELS
from state.errors import UsageError
from tiers.protocol import Check

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
LARGEST_FILE = 4_000_000
"""Bytes of a problem file."""

M = TypeVar("M", bound=BaseModel)
_SPECS: dict[str, type[Spec]] = {
    "exact": ExactSpec,
    "numeric": NumericSpec,
    "unordered": UnorderedSpec,
    "any_of": AnyOfSpec,
    "function": FunctionSpec,
    "class_ops": ClassOpsSpec,
    "stdio": StdioSpec,
    "program_value": ProgramValueSpec,
    "explanation": ExplanationSpec,
}


def load_problem(spec: str, stdin: TextIO) -> Problem:
    """The problem that a command line names.

    ``7`` is problem 7 of the default suite, ``suite/id`` one of a suite, a path a YAML or JSON file
    with the fields of :class:`Problem`, ``-`` free text on ``stdin``. Raises UsageError, one line.
    """
    if spec == "-":
        return _from_text(stdin)
    if re.fullmatch(r"[+-]?[0-9]+", spec):
        return suites.get_default(spec)
    path, (suite, slash, number) = Path(spec), spec.partition("/")
    if path.suffix.lower() in SUFFIXES:
        return _from_file(path)
    if suite in suites.SUITES:
        return suites.get(suite, number)
    if spec and _exists(path):
        return _from_file(path)
    if slash and re.fullmatch(r"[\w-]+", suite):
        known = ", ".join(suites.SUITES)
        raise UsageError(
            f"problem {_short(spec)}: no suite {_short(suite)} and no such file; suites: {known}"
        )
    raise UsageError(
        f"problem {_short(spec)}: give a number, suite/id, a .yaml or .json file that exists, "
        "or - for text on standard input"
    )


def _from_text(stdin: TextIO) -> Problem:
    try:
        text = stdin.read()
        text.encode("utf-8")
    except UnicodeError as error:
        raise UsageError("problem -: standard input is not UTF-8 text") from error
    if not text.strip():
        raise UsageError("problem -: standard input is empty; pipe the problem's text into it")
    name = "text-" + blake2b(text.strip().encode(), digest_size=4).hexdigest()
    return Problem(id=name, kind="text", statement=text.strip())


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long a name, a null character
        return False


def _from_file(path: Path) -> Problem:
    where = f"problem file {_short(str(path))}"
    data = _parse(_read(path, where), path, where)
    if not isinstance(data, dict):
        raise UsageError(
            f"{where}: holds {_noun(data)}, not the fields of a problem (statement: …)"
        )
    fields = {str(key): value for key, value in data.items()}
    if unknown := [key for key in fields if key not in Problem.model_fields]:
        known = ", ".join(Problem.model_fields)
        raise UsageError(f"{where}: unknown field {_short(unknown[0])}; fields: {known}")
    if fields.get("statement") is None:
        raise UsageError(f"{where}: no statement; say in the field statement what is asked")
    for group in ("public_checks", "hidden_checks"):
        fields[group] = _checks(fields.get(group), where, group)
    fields.setdefault("id", path.stem)
    fields.setdefault("kind", "code" if fields.get("entry_point") else "text")
    kinds = dict.fromkeys(check.kind for check in fields["hidden_checks"])
    fields.setdefault("checker", "+".join(kinds) or NO_CHECKER)
    _plain_data(fields.get("meta"), f"{where}: meta")
    return _parsed(Problem, fields, where)


def _read(path: Path, where: str) -> str:
    if not _exists(path):
        raise UsageError(f"{where}: no such file")
    if not path.is_file():
        kind = "folder" if path.is_dir() else "special file"
        raise UsageError(f"{where}: is a {kind}, not a file")
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{where}: name it .yaml, .yml or .json, or pipe plain text into -")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UsageError(f"{where}: larger than {LARGEST_FILE:,} bytes")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{where}: is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise UsageError(f"{where}: cannot be read: {error.strerror}") from error


def _parse(text: str, path: Path, where: str) -> object:
    try:
        return json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{where}, line {error.lineno}: broken JSON: {error.msg}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(
            f"{where}, line {line}: broken YAML: {_flat(error.problem or '')}"
        ) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise UsageError(f"{where}, line {line}: broken YAML: {_flat(error.reason)}") from error
    except (ValueError, RecursionError) as error:  # an impossible date, a nest without a bottom
        raise UsageError(f"{where}: cannot be read as data: {_flat(str(error))}") from error


def _checks(items: object, where: str, group: str) -> tuple[Check, ...]:
    """The checks of a field, each with a kind that exists and the spec that the kind wants."""
    if items is None:
        return ()
    if not isinstance(items, list):
        raise UsageError(f"{where}: {group}: is {_noun(items)}, not a list of checks (kind, spec)")
    checks = []
    for k, item in enumerate(items):
        place = f"{where}: {group}[{k}]"
        check = _parsed(Check, item, place)
        bare, section = split_section(check)
        if section is not None and group == "public_checks":
            raise UsageError(f"{place}: section: only a hidden check judges a section")
        if section is not None and section not in LABELS:
            raise UsageError(f"{place}: section: no {section!r}; sections: {', '.join(LABELS)}")
        _examine(bare, place)
        checks.append(check)
    return tuple(checks)


def _examine(check: Check, where: str) -> None:
    """Raise UsageError for a check that its validator would not understand."""
    if check.kind not in _SPECS:
        raise UsageError(f"{where}: kind: no {_short(check.kind)}; kinds: {', '.join(_SPECS)}")
    _plain_data(check.spec, f"{where}: spec")
    spec = _parsed(_SPECS[check.kind], check.spec, where)
    if isinstance(spec, AnyOfSpec):
        for k, inner in enumerate(spec.checks):
            place = f"{where}: checks[{k}]"
            _examine(_parsed(Check, inner, place), place)


def _parsed(model: type[M], data: object, where: str) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "check"
        says = _flat(first["msg"].removeprefix("Value error, "))
        raise UsageError(f"{where}: {name}: {says}") from error


def _plain_data(data: object, where: str) -> None:
    try:
        json.dumps(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{where}: only plain data can be kept: {_flat(str(error))}") from error


def _noun(value: object) -> str:
    names = {"NoneType": "nothing", "dict": "a mapping", "list": "a list", "str": "plain text"}
    return names.get(type(value).__name__, "a single value")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")


def _flat(text: str) -> str:
    return " ".join(text.split())[:200]
