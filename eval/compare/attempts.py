"""Attempts of a sweep, and the journal that stores them so that the sweep can be resumed."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from state.errors import StoreError, UsageError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WERE_STOPPED = ("stopped on request", "the plan waits for approval")
"""Reasons of attempts that earlier versions recorded although they had not ended."""


class Frozen(BaseModel):
    """Base of the models: immutable, unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Attempt(Frozen):
    """One system at one problem with one seed."""

    suite: str
    system: str
    problem: str
    seed: int
    solved: bool
    """Whether the hidden checks passed."""
    lost: Literal["answer", "judge"] | None = None
    """Why the attempt is no evidence about its system: the backend gave no usable ``answer`` (it is
    made again when the sweep is resumed), or the ``judge`` could not decide."""
    claimed: bool = False
    """Whether the system itself called its answer verified."""
    exhausted: bool = False
    tokens: int = 0
    calls: int = 0
    seconds: float = 0.0
    cost: float | None = None
    """US dollars; ``None`` where no price is known."""
    run_id: str | None = None
    stop_reason: str | None = None

    @property
    def key(self) -> Key:
        """The identity of the attempt."""
        return self.suite, self.system, self.problem, self.seed


Key = tuple[str, str, str, int]
"""(suite, system, problem, seed)."""


def word(attempt: Attempt) -> str:
    """The result of an attempt in a word, for a line of progress."""
    if attempt.lost:
        return f"lost ({attempt.stop_reason})"
    return "solved" if attempt.solved else "out of budget" if attempt.exhausted else "wrong"


class Journal:
    """The attempts of a sweep, one JSON line each, below a first line that describes the
    comparison.

    A later line about the same attempt replaces an earlier one.
    """

    def __init__(self, path: Path, header: Mapping[str, object]) -> None:
        """Open or start the journal. Raises UsageError where it holds another comparison or the
        path cannot be used, and StoreError where the disk is full."""
        self.path = path
        self.attempts: dict[Key, Attempt] = {}
        try:
            self._open(header)
        except OSError as error:
            says = f"{path} cannot be written: {error.strerror or error}"
            if error.errno in _NO_SPACE:
                raise StoreError(says) from error
            raise UsageError(f"{says}; give another folder (--out, HARNESS_HOME)") from error

    def _open(self, header: Mapping[str, object]) -> None:
        path = self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            found = _read(path)
        except FileNotFoundError:
            found = None
        if found is None:
            path.unlink(missing_ok=True)
            self._write(json.dumps(header, sort_keys=True))
            return
        held, self.attempts, size = found
        wanted = json.loads(json.dumps(header))
        if held != wanted:
            differs = sorted(k for k in {*held, *wanted} if held.get(k) != wanted.get(k))
            raise UsageError(
                f"{path} holds another comparison ({', '.join(differs)} differ): give another "
                "--out, or the same options to go on with it"
            )
        with path.open("ab"):  # A full disk is better reported now than after the first attempt.
            if size < path.stat().st_size:  # A last line that a kill cut short is dropped.
                os.truncate(path, size)

    def to_make(self, key: Key) -> bool:
        """Whether the attempt is still to be made, or to be made again."""
        held = self.attempts.get(key)
        return held is None or held.lost == "answer"

    def add(self, attempt: Attempt) -> None:
        """Write an attempt immediately, completely or not at all. Raises StoreError."""
        try:
            self._write(attempt.model_dump_json())
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written: {error.strerror or error}") from error
        self.attempts[attempt.key] = attempt

    def _write(self, line: str) -> None:
        data, written = line.encode() + b"\n", 0
        with self.path.open("ab", buffering=0) as out:
            size = out.tell()
            try:
                while written < len(data):
                    written += out.write(data[written:]) or 0
            except OSError:
                out.truncate(size)
                raise


def _read(path: Path) -> tuple[dict[str, object], dict[Key, Attempt], int] | None:
    """Header, attempts, and the bytes of the whole lines; ``None`` for a file without a whole line.

    Raises UsageError for a file that is no journal.
    """
    text = path.read_bytes()
    size = text.rfind(b"\n") + 1
    if not size:
        return None
    first, *lines = text[:size].split(b"\n")[:-1]
    try:
        header = json.loads(first)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise UsageError(f"{path}: not the journal of a comparison")
    attempts: dict[Key, Attempt] = {}
    for number, line in enumerate(lines, 2):
        try:
            attempt = Attempt.model_validate_json(line)
        except ValidationError:
            raise UsageError(f"{path}, line {number}: not an attempt") from None
        if attempt.solved or attempt.stop_reason not in _WERE_STOPPED:
            attempts[attempt.key] = attempt
    return header, attempts, size


def join(paths: Sequence[Path]) -> list[Attempt]:
    """The attempts of several journals; one that is lost in one of them is taken from another.

    Raises UsageError for a file that is no journal, for journals made under different options, and
    for an attempt with different results in two of them.
    """
    attempts: dict[Key, Attempt] = {}
    options: object = None
    for path in paths:
        try:
            found = _read(path)
        except OSError:
            found = None
        if found is None:
            raise UsageError(f"{path}: not the journal of a comparison")
        header, made, _ = found
        if path == paths[0]:
            options = header.get("options")
        if header.get("options") != options:
            raise UsageError(f"{path} was made under other options than {paths[0]}: not comparable")
        for key, attempt in made.items():
            held = attempts.get(key)
            if held is None or (held.lost and not attempt.lost):
                attempts[key] = attempt
            elif not attempt.lost and held.solved != attempt.solved:
                raise UsageError(f"{path}: {' '.join(map(str, key))} has another result elsewhere")
    if not attempts:
        raise UsageError(f"{', '.join(map(str, paths))}: no attempts")
    return list(attempts.values())
