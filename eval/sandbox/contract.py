"""What a sandbox promises: limits in, one result out, whatever the program does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

MIB = 1024 * 1024

KilledBy = Literal["wall", "cpu", "output", "memory", "signal"]
"""What ended a program before its time. ``signal`` is a crash (such as a segmentation fault)."""

STDERR_CHARS = 8192
"""Characters of standard error that a result keeps: the last ones, where the exception is."""


class Limits(BaseModel):
    """What one launch may use. CPU time decides verdicts; wall time stops those that sleep."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: float = Field(default=15.0, gt=0)
    """Wall-clock seconds, the start of the interpreter included."""
    cpu_seconds: int = Field(default=5, ge=1)
    """CPU seconds of each process."""
    memory_bytes: int = Field(default=512 * MIB, ge=64 * MIB)
    """Address space of each process, and resident memory of all of them together."""
    processes: int = Field(default=16, ge=4)
    """Processes and threads at once, three of them taken by bubblewrap and the interpreter."""
    file_bytes: int = Field(default=16 * MIB, ge=0)
    """Size of any one file, and of ``/tmp``."""
    scratch_bytes: int = Field(default=64 * MIB, ge=0)
    """Size of the work directory ``/box``, held in memory."""
    output_bytes: int = Field(default=MIB, ge=1)
    """Bytes on each of stdout and stderr; more ends the program."""
    result_bytes: int = Field(default=16 * MIB, ge=1)
    """Bytes on the result channel; more ends the program."""


class SandboxResult(BaseModel):
    """How a program ended and what it left on its three channels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ok: bool
    """Exit code 0, nothing killed, and a readable result channel."""
    payload: tuple[Any, ...] | None = None
    """The result channel: one element per JSON line the program wrote to the descriptor named in
    the environment variable ``RESULT_FD``. ``None`` where it wrote none or something that is not
    JSON. An unfinished last line is dropped. It is *the program's* word: a judge compares it with
    expected values outside, which never enter the sandbox."""
    stdout: str = ""
    """At most ``Limits.output_bytes`` bytes, undecodable ones replaced."""
    stderr: str = ""
    """The last ``STDERR_CHARS`` characters."""
    spoilt: bool = False
    """The result channel held something that is not JSON lines, or too many of them."""
    exit_code: int | None = None
    """The program's exit code, 128 + n where signal n ended it; ``None`` where we killed it."""
    timed_out: bool = False
    """Wall or CPU time was spent."""
    killed_by: KilledBy | None = None
    seconds: float = 0.0
    """Wall-clock seconds from launch to the last byte."""
    reason: str = ""
    """One line: why ``ok`` is false; empty where it is true."""


class Sandbox(Protocol):
    """Runs untrusted Python programs. The suite in ``tests/conformance/test_sandbox.py`` is its
    full contract."""

    async def run(
        self,
        program: str,
        stdin: str = "",
        *,
        files: Mapping[str, str] | None = None,
        limits: Limits | None = None,
    ) -> SandboxResult:
        """Run the text of a Python program as ``__main__``.

        ``files`` maps plain file names to texts the program finds read-only in ``/run/files``.
        ``limits`` replaces the sandbox's own for this launch. A hostile, crashing or endless
        program is a result, never an exception; cancelling the task kills the program.

        Raises SandboxUnavailable where no sandbox can be had, UsageError for a bad file name.
        """
        ...
