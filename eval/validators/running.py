"""Sends a candidate program through the sandbox and reads, with suspicion, what it did."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.sandbox import Sandbox, SandboxResult
from eval.validators.compare import one_line
from eval.validators.driver import decode, encode

DRIVER = Path(__file__).with_name("driver.py").read_text("utf-8")
Arguments = tuple[list[Any], dict[str, Any]]
"""Positional and keyword arguments of a call."""
_TYPE_NAME = re.compile(r"[A-Za-z_]\w{0,63}")
_STOPS = {"memory": "memory", "output": "output-limit", "signal": "crash"}


@dataclass(frozen=True)
class Returned:
    """The call gave this value, as plain data."""

    value: object


@dataclass(frozen=True)
class Failed:
    """The call gave no value. ``story`` completes the sentence "f(1) …"."""

    signature: str
    story: str


Outcome = Returned | Failed


@dataclass(frozen=True)
class Report:
    """What a launch showed: a failure before any call, or one outcome for each call up to the
    first that ended the program."""

    result: SandboxResult
    unloaded: Failed | None
    outcomes: Sequence[Outcome] = ()


async def run_candidate(sandbox: Sandbox, code: str, job: dict[str, Any], calls: int) -> Report:
    """Load ``code`` in a sandbox and make the ``calls`` calls of ``job`` (see ``driver.py``)."""
    files = {"candidate.py": code, "job.json": json.dumps(job)}
    result = await sandbox.run(DRIVER, files=files)
    records = list(result.payload or ())
    if not records:
        stopped = _stopped(result)
        return Report(result, Failed(stopped.signature, f"the code {stopped.story}"))
    if isinstance(records[0], dict) and "load" in records[0]:
        return Report(result, _unloaded(records[0]["load"]))
    outcomes: list[Outcome] = []
    for number, record in enumerate(records[1 : calls + 1]):
        outcomes.append(_outcome(record, number, job))
    if len(outcomes) < calls:
        outcomes.append(_stopped(result))
    elif result.killed_by is not None:
        outcomes[-1] = _stopped(result)
    return Report(result, None, outcomes)


async def run_calls(
    sandbox: Sandbox,
    code: str,
    entry_point: str,
    timeout: float | None,
    calls: Sequence[Arguments],
) -> Report:
    """Load ``code`` and call its ``entry_point`` with each (arguments, keyword arguments)."""
    job = {
        "mode": "calls",
        "entry_point": entry_point,
        "timeout": timeout,
        "calls": [{"args": encode(args), "kwargs": encode(kwargs)} for args, kwargs in calls],
    }
    return await run_candidate(sandbox, code, job, len(calls))


def raised(name: str, message: str) -> Failed:
    """An exception as a failure."""
    return Failed(name, f"raised {name}: {message}" if message else f"raised {name}")


def _outcome(record: object, number: int, job: dict[str, Any]) -> Outcome:
    forged = Failed("bad-result", "left a result that is not the driver's")
    if not isinstance(record, dict) or record.get("case") != number:
        return forged
    if "value" in record:
        try:
            return Returned(decode(record["value"]))
        except ValueError:
            return forged
    name, message = _error(record.get("error"))
    if name == "timeout":
        return Failed("timeout", f"did not return within {job.get('timeout', 0):g} seconds")
    if name == "SystemExit":
        return Failed("exit", "left the program instead of returning")
    return raised(name, message) if name else forged


def _unloaded(error: object) -> Failed:
    name, message = _error(error)
    match name:
        case "SyntaxError" | "IndentationError" | "TabError":
            return Failed("syntax-error", f"the code does not parse: {name}: {message}")
        case "MissingEntryPoint":
            return Failed("missing-entry-point", message)
        case "SystemExit":
            return Failed("exit", "the code leaves the program while it is loaded")
        case "":
            return Failed("bad-result", "the code left a result that is not the driver's")
    return Failed(name, f"loading the code {raised(name, message).story}")


def _error(error: object) -> tuple[str, str]:
    """Type and message from an untrusted record; an empty type where it is malformed."""
    if not isinstance(error, dict):
        return "", ""
    name, message = error.get("type"), error.get("message")
    if not isinstance(name, str) or not _TYPE_NAME.fullmatch(name) or not isinstance(message, str):
        return "", ""
    return name, one_line(message, 200)


def _stopped(result: SandboxResult) -> Failed:
    """The program ended before the call did."""
    if result.timed_out:
        return Failed("timeout", f"did not return: {result.reason}")
    if result.killed_by is not None:
        return Failed(_STOPS[result.killed_by], f"ended the program: {result.reason}")
    if result.payload is None and "channel" in result.reason:
        return Failed("bad-result", f"spoilt its result: {result.reason}")
    return Failed("exit", "ended the program before returning")
