"""Loads a problem from a suite, a file, or standard input."""

from __future__ import annotations

import json
import re
from hashlib import blake2b
from pathlib import Path
from typing import TextIO

import yaml

from eval import suites
from eval.problems import Problem
from eval.schema import flat, problem_from, short
from state.errors import UsageError

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
LARGEST_FILE = 4_000_000
"""Most bytes of a problem file."""
FORMS = (
    "a number, suite/id, a .yaml or .json file, a text in quotes, or - for text on standard input"
)
"""Forms in which a command line can give a problem, for people."""
_NAME = re.compile(r"[\w.@~:/\\-]+")
"""Pattern of one-word texts that can only be meant as an id or a path."""
_FILE_NAME = re.compile(r".*\.(ya?ml|jsonl?|txt|md)", re.IGNORECASE)
_PATH = re.compile(r"(~|\.{1,2})?/\S")
"""Pattern of the beginning of a path, which texts hardly have."""
_WORDS_OF_A_NAME = 3
"""Most words of a text that counts as a file's name if it ends like one."""


def load_problem(spec: str, stdin: TextIO) -> Problem:
    """The problem that a command line names.

    ``7`` is problem 7 of the default suite, ``suite/id`` one of a suite, a path a YAML or JSON file
    with the fields of :class:`Problem`, ``-`` free text on ``stdin``, and any other text is the
    problem itself. A string that looks like a path or an id is never taken for a text. Raises
    UsageError, one line.
    """
    if spec == "-":
        return _from_stdin(stdin)
    if re.fullmatch(r"[+-]?[0-9]+", spec):
        return suites.get_default(spec)
    path, (suite, slash, number) = Path(spec), spec.partition("/")
    if (spec.strip() and _exists(path)) or _like_a_file(spec):
        return _from_file(path)
    if suite in suites.packaged() and (slash or suite == spec):
        return suites.get(suite, number)
    if spec.strip() and "\0" not in spec and not _NAME.fullmatch(spec):
        return _from_text(spec, "problem")
    if slash and re.fullmatch(r"[\w-]+", suite):
        known = ", ".join(suites.packaged())
        raise UsageError(
            f"problem {short(spec)}: no suite {short(suite)} and no such file; suites: {known}"
        )
    raise UsageError(f"problem {short(spec)}: no such file; give {FORMS}")


def _like_a_file(spec: str) -> bool:
    """Whether ``spec`` begins like a path, or ends like a file's name without being a sentence."""
    if _PATH.match(spec):
        return True
    words = spec.split()
    short_or_in_a_folder = len(words) <= _WORDS_OF_A_NAME or "/" in words[0]
    return bool(_FILE_NAME.fullmatch(spec)) and short_or_in_a_folder


def _from_stdin(stdin: TextIO) -> Problem:
    try:
        text = stdin.read()
    except UnicodeError as error:
        raise UsageError("problem -: standard input is not UTF-8 text") from error
    if not text.strip():
        raise UsageError("problem -: standard input is empty; pipe the problem's text into it")
    return _from_text(text, "problem -: standard input")


def _from_text(text: str, where: str) -> Problem:
    try:
        text.encode("utf-8")
    except UnicodeError as error:
        raise UsageError(f"{where} is not UTF-8 text") from error
    if "\0" in text:
        raise UsageError(f"{where} holds a null character; is it a text?")
    name = "text-" + blake2b(text.strip().encode(), digest_size=4).hexdigest()
    return Problem(id=name, kind="text", statement=text.strip())


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # The name may be too long, or contain a null character.
        return False


def _from_file(path: Path) -> Problem:
    where = f"problem file {short(str(path))}"
    data = _parse(_read(path, where), path, where)
    return problem_from(data, where, path.stem)


def _read(path: Path, where: str) -> str:
    if not _exists(path):
        raise UsageError(f"{where}: no such file (a text that looks like one can be piped into -)")
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
            f"{where}, line {line}: broken YAML: {flat(error.problem or '')}"
        ) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise UsageError(f"{where}, line {line}: broken YAML: {flat(error.reason)}") from error
    except (ValueError, RecursionError) as error:  # An impossible date, or too deep a nesting.
        raise UsageError(f"{where}: cannot be read as data: {flat(str(error))}") from error
