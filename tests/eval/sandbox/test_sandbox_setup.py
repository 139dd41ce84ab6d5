"""A missing sandbox is reported; an existing one works for any user."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pydantic
import pytest

from eval.sandbox import BubblewrapSandbox, bubblewrap, command
from eval.sandbox.command import Interpreter
from eval.sandbox.seccomp import filter_program
from state.errors import SandboxUnavailable

ROOT = Path(__file__).parents[3]


def refusal() -> str:
    with pytest.raises(SandboxUnavailable) as caught:
        asyncio.run(BubblewrapSandbox().run("print(1)"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def fake_bwrap(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = folder / "bwrap"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    for above in [folder, *folder.parents]:
        if above.stat().st_uid == os.getuid() and not above.stat().st_mode & 0o001:
            above.chmod(0o755)
    monkeypatch.setattr(bubblewrap, "find_bwrap", lambda: str(fake))


def without_setpriv(monkeypatch: pytest.MonkeyPatch) -> None:
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "setpriv" else found(name))


def test_without_bubblewrap_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert refusal().startswith("bubblewrap is missing: apt-get install bubblewrap")


def test_without_user_namespaces_what_bubblewrap_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = "bwrap: No permissions to create new namespace"
    fake_bwrap(tmp_path, f"echo '{said}' >&2; exit 1", monkeypatch)
    assert "user namespaces" in refusal()
    assert refusal().endswith(said)


def test_a_bubblewrap_that_cannot_be_executed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bubblewrap, "find_bwrap", lambda: str(tmp_path / "absent"))
    assert "absent" in refusal()
    without_setpriv(monkeypatch)
    assert refusal().startswith("bubblewrap cannot be started")


def test_a_program_that_never_started_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_bwrap(tmp_path, "echo 1; exit 0", monkeypatch)
    assert "exit code 0" in refusal()


def test_an_interpreter_elsewhere_is_bound_with_its_prefix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command.find_interpreter.cache_clear()
    monkeypatch.setattr(command, "SYSTEM_PYTHON", "/nowhere/python3")
    monkeypatch.setattr(sys, "base_prefix", "/opt/python")
    try:
        found = command.find_interpreter()
    finally:
        command.find_interpreter.cache_clear()
    assert found.prefix == "/opt/python"
    assert found.path.startswith("/opt/python/bin/python3.")
    limits = BubblewrapSandbox().limits
    line = command.command("bwrap", found, limits, {}, 9, None)
    at = line.index("/opt/python")
    assert line[at - 1 : at + 2] == ["--ro-bind", "/opt/python", "/opt/python"]
    without = command.command("bwrap", Interpreter("/usr/bin/python3"), limits, {}, 9, None)
    assert "/opt/python" not in without


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must become somebody else")
@pytest.mark.parametrize("by", ["setpriv", "fork"])
def test_root_is_nobody_before_bubblewrap(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if by == "fork":
        without_setpriv(monkeypatch)
    program = (
        "import os\nprint(open('/proc/self/uid_map').read().split())\n"
        "for _ in range(99):\n    if os.fork() == 0: os.read(os.pipe()[0], 1)\n"
    )
    result = asyncio.run(BubblewrapSandbox().run(program))
    assert result.stdout.startswith("['65534'")
    assert "BlockingIOError" in result.stderr  # the process limit binds


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_an_ordinary_user_may_run_it() -> None:
    program = (
        "import asyncio, os\nfrom eval.sandbox import BubblewrapSandbox\n"
        "assert os.getuid() == 1234\n"
        "print(asyncio.run(BubblewrapSandbox().run('import os; print(os.getuid())')).stdout)"
    )
    major, minor = sys.version_info[:2]
    python = f"/usr/bin/python{major}.{minor}"  # our own may lie in a private home
    if not Path(python).exists():
        pytest.skip(f"no {python}")
    ran = subprocess.run(
        [python, "-B", "-c", program],
        cwd=ROOT,
        user=1234,
        group=1234,
        extra_groups=[],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(pydantic.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    if "Permission denied" in ran.stderr:
        pytest.skip("the working tree is private")
    assert ran.stdout.strip() == "65534", ran.stderr


def test_the_filter_fits_the_machines_it_knows() -> None:
    for machine in ("x86_64", "aarch64"):
        blob = filter_program(machine)
        assert blob is not None
        assert len(blob) % 8 == 0
        assert len(blob) // 8 < 256  # jumps are one byte
    assert filter_program("riscv64") is None
