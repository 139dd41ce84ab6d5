"""Runs a candidate program in the sandbox and parses its untrusted results."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.sandbox import Sandbox, SandboxResult
from eval.validators import causes
from eval.validators.compare import one_line
from eval.validators.driver import Uncarried, decode, encode

DRIVER = Path(__file__).with_name("driver.py").read_text("utf-8")
Arguments = tuple[list[Any], dict[str, Any]]
"""Positional and keyword arguments of a call."""
_TYPE_NAME = re.compile(r"[A-Za-z_]\w{0,63}")


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
    """Result of a launch: a failure before any call, or one outcome for each call up to the first
    that ended the program."""

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


def raised(name: str, message: str, module: object = None) -> Failed:
    """An exception as a failure."""
    story = f"raised {name}: {message}" if message else f"raised {name}"
    if name == "SystemExit":
        story = "left the program instead of returning"
    return Failed(causes.of_exception(name, module), story)


def _outcome(record: object, number: int, job: dict[str, Any]) -> Outcome:
    forged = Failed(causes.BAD_RESULT, "left a result that is not the driver's")
    if not isinstance(record, dict) or record.get("case") != number:
        return forged
    if "value" in record:
        try:
            return Returned(decode(record["value"]))
        except Uncarried as limit:
            return Failed(causes.NOT_CARRIED, f"returned {limit}, which this judge cannot compare")
        except ValueError:
            return forged
    name, message, module = _error(record.get("error"))
    if name == "timeout":
        return Failed(causes.TIMEOUT, f"did not return within {job.get('timeout', 0):g} seconds")
    return raised(name, message, module) if name else forged


def _unloaded(error: object) -> Failed:
    name, message, module = _error(error)
    if not name:
        return Failed(causes.BAD_RESULT, "the code left a result that is not the driver's")
    return unloaded(name, message, module)


def unloaded(name: str, message: str, module: object = None) -> Failed:
    """An exception during the loading of a program, as a failure."""
    cause = causes.of_exception(name, module)
    stories = {
        causes.SYNTAX_ERROR: f"the code does not parse: {name}: {message}",
        causes.MISSING_ENTRY_POINT: message,
        causes.EXIT: "the code leaves the program while it is loaded",
        causes.NO_MODULE: f"programs in the sandbox have no module {module}",
    }
    return Failed(cause, stories.get(cause, f"loading the code {raised(name, message).story}"))


def _error(error: object) -> tuple[str, str, str]:
    """Type, message and missing module from an untrusted record; an empty type where it is
    malformed."""
    if not isinstance(error, dict):
        return "", "", ""
    name, message, module = error.get("type"), error.get("message"), error.get("module")
    if not isinstance(name, str) or not _TYPE_NAME.fullmatch(name) or not isinstance(message, str):
        return "", "", ""
    return name, one_line(message, 200), one_line(module, 64) if isinstance(module, str) else ""


def _stopped(result: SandboxResult) -> Failed:
    """The failure for a program that ended before the call did."""
    if result.timed_out:
        return Failed(causes.TIMEOUT, f"did not return: {result.reason}")
    if (cause := causes.of_stop(result)) is not None:
        return Failed(cause, f"ended the program: {result.reason}")
    if result.spoilt:
        return Failed(causes.BAD_RESULT, f"spoilt its result: {result.reason}")
    return Failed(causes.EXIT, "ended the program before returning")
