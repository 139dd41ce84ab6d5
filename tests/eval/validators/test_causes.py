"""A failure has the same name in every validator; failures of the judge itself refute nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from eval.sandbox import BubblewrapSandbox, Limits, SandboxResult, bubblewrap
from eval.validators import causes, validators
from state.errors import SandboxMissing, SandboxUnavailable, UsageError
from tiers.protocol import Check, CheckResult

SMALL = BubblewrapSandbox(Limits(seconds=60, cpu_seconds=1, memory_bytes=256 * 2**20))
SPECS: dict[str, dict[str, Any]] = {
    "function": {"entry_point": "f", "cases": [{"args": [], "expected": 4}]},
    "class_ops": {"class_name": "f", "operations": ["f"], "args": [[]], "expected": [None]},
    "stdio": {"cases": [{"stdout": "4"}]},
    "program_value": {"expected": 4, "entry_point": "f"},
    "unit_test": {"entry_point": "f", "test": "assert f() == 4"},
}
BODIES = {
    "exit": "import sys; sys.exit(0)",
    "crash": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "memory": "x = bytearray(2 ** 30)",
    "syntax-error": "x = = 1",
    "no-module": "import pydantic",
    "ModuleNotFoundError": "import absent_module",
    "KeyError": "raise KeyError('k')",
}


def check(kind: str, code: str, sandbox: Any = SMALL, **spec: Any) -> CheckResult:
    asked = Check(kind=kind, spec=spec or SPECS[kind])
    return asyncio.run(validators(sandbox)[kind].validate(code, asked))


@pytest.mark.slow
@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("name", BODIES)
def test_a_failure_has_one_name(kind: str, name: str) -> None:
    code = f"def f():\n    {BODIES[name]}\n"
    if kind == "stdio":
        code += "f()\n"
        code = code.replace("sys.exit(0)", "sys.exit(1)")  # a program may end with zero
    result = check(kind, code)
    assert not result.passed
    assert result.signature == name, result.detail
    assert result.inconclusive is (name == "no-module")


@pytest.mark.slow
@pytest.mark.parametrize("kind", SPECS)
def test_too_long_is_a_timeout(kind: str) -> None:
    code = "def f():\n    while True: pass\n" + ("f()\n" if kind == "stdio" else "")
    assert check(kind, code).signature == causes.TIMEOUT


class Broken:
    """A sandbox that fails to start a program."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def run(
        self, program: str, stdin: str = "", *, files: Mapping[str, str] | None = None,
        limits: Limits | None = None,
    ) -> SandboxResult:  # fmt: skip
        raise self.error


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize(
    ("error", "signature", "detail"),
    [
        (SandboxUnavailable("no namespaces"), "no-sandbox", "the sandbox failed: no namespaces"),
        (RuntimeError("odd"), "judge-failed", "the judge itself failed: RuntimeError: odd"),
    ],
)
def test_a_judge_that_fails_by_itself_refutes_nothing(
    kind: str, error: Exception, signature: str, detail: str
) -> None:
    result = check(kind, "def f(): return 4\n", Broken(error))
    assert (result.inconclusive, result.refutes) == (True, False)
    assert (result.signature, result.detail) == (signature, detail)


def test_what_a_person_must_mend_is_raised() -> None:
    with pytest.raises(SandboxMissing):
        check("function", "def f(): return 4\n", Broken(SandboxMissing("apt-get install")))
    with pytest.raises(UsageError):
        check("unit_test", "def f(): return 4\n", entry_point="f", test="assert (")


def test_a_bubblewrap_that_starts_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bubblewrap, "find_bwrap", lambda: str(tmp_path / "absent"))
    assert check("function", "def f(): return 4\n", BubblewrapSandbox()).signature == "no-sandbox"


@pytest.mark.slow
def test_large_values_are_carried_or_refute_nothing() -> None:
    large = list(range(100_000))
    spec = {"entry_point": "f", "cases": [{"args": [100_000], "expected": large}]}
    right, wrong = "def f(n): return list(range(n))", "def f(n): return list(range(n))[::-1]"
    assert check("function", right, **spec).passed
    assert check("function", wrong, **spec).refutes
    beyond = check("function", "def f(n): return 'x' * 5_000_000", **spec)
    assert (beyond.inconclusive, beyond.signature) == (True, "not-carried")
    small = {"entry_point": "f", "cases": [{"args": [1], "expected": [0]}]}
    assert check("function", "def f(n): return 'x' * 5_000_000", **small).refutes


def test_huge_prints_are_nobodys_fault() -> None:
    code = "def f():\n    for _ in range(3000):\n        print('x' * 1000)\n    return 4\n"
    assert check("function", code).passed
    assert check("unit_test", code).passed
    shown = "print('x' * 2_000_000)"
    assert check("stdio", shown, cases=[{"stdout": "x" * 2_000_000}]).inconclusive
    assert check("stdio", shown, cases=[{"stdout": "x"}]).signature == causes.OUTPUT_LIMIT
