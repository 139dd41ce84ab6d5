"""Names of failures, the same for all validators.

An exception that a program raises is named by its type; every other failure has a name here. A
failure of the judge itself never counts against an answer (``verdict.py``).
"""

from __future__ import annotations

import importlib.util

from eval.sandbox import SandboxResult

NO_CODE = "no-code"
SYNTAX_ERROR = "syntax-error"
MISSING_ENTRY_POINT = "missing-entry-point"
WRONG_VALUE = "wrong-value"
NO_NUMBER = "no-number"
BAD_RESULT = "bad-result"
"""The program wrote to the channel that only the judge's own code may use."""
EXIT = "exit"
"""The program exited instead of returning."""
CRASH = "crash"
TIMEOUT = "timeout"
MEMORY = "memory"
OUTPUT_LIMIT = "output-limit"

NOT_CARRIED = "not-carried"
"""A value, or an operation on one in a test, that this judge cannot compare."""
NO_MODULE = "no-module"
"""A module that exists on this machine but not in the sandbox."""
NO_SANDBOX = "no-sandbox"
JUDGE_FAILED = "judge-failed"
JUDGES_OWN = frozenset({NOT_CARRIED, NO_MODULE, NO_SANDBOX, JUDGE_FAILED})

_EXCEPTIONS = {
    "SyntaxError": SYNTAX_ERROR,
    "IndentationError": SYNTAX_ERROR,
    "TabError": SYNTAX_ERROR,
    "MissingEntryPoint": MISSING_ENTRY_POINT,
    "SystemExit": EXIT,
    "MemoryError": MEMORY,
    "timeout": TIMEOUT,
}
_STOPS = {
    "wall": TIMEOUT,
    "cpu": TIMEOUT,
    "memory": MEMORY,
    "output": OUTPUT_LIMIT,
    "signal": CRASH,
}


def of_exception(name: str, module: object = None) -> str:
    """The cause for an exception's type; ``module`` is the one that an import did not find."""
    if name == "ModuleNotFoundError" and isinstance(module, str) and _is_here(module):
        return NO_MODULE
    return _EXCEPTIONS.get(name, name)


def of_stop(result: SandboxResult) -> str | None:
    """The cause for which the sandbox ended a program; None where it ended by itself."""
    return None if result.killed_by is None else _STOPS[result.killed_by]


def _is_here(module: str) -> bool:
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False
