"""The interface of sandboxes: limits in, one result out, whatever the program does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

MIB = 1024 * 1024

KilledBy = Literal["wall", "cpu", "output", "memory", "signal"]
"""The limit or signal that ended a program early. ``signal`` is a crash (such as a segmentation
fault)."""

STDERR_CHARS = 8192
"""Most characters of standard error in a result: the last ones, which contain the exception."""


class Limits(BaseModel):
    """Limits of one launch. CPU time decides verdicts; wall time stops programs that sleep."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: float = Field(default=15.0, gt=0)
    """Wall-clock seconds, the start of the interpreter included."""
    cpu_seconds: int = Field(default=5, ge=1)
    """CPU seconds of each process."""
    memory_bytes: int = Field(default=512 * MIB, ge=64 * MIB)
    """Address space of each process, and resident memory of all of them together."""
    processes: int = Field(default=16, ge=4)
    """Most processes and threads at once, of which bubblewrap and the interpreter take three."""
    file_bytes: int = Field(default=16 * MIB, ge=0)
    """Most bytes of any one file, and of ``/tmp``."""
    scratch_bytes: int = Field(default=64 * MIB, ge=0)
    """Bytes of the work directory ``/box``, held in memory."""
    output_bytes: int = Field(default=MIB, ge=1)
    """Bytes on each of stdout and stderr; more ends the program."""
    result_bytes: int = Field(default=16 * MIB, ge=1)
    """Bytes on the result channel; more ends the program."""


class SandboxResult(BaseModel):
    """How a program ended, and the content of its three channels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ok: bool
    """Whether the exit code is 0, nothing was killed, and the result channel is readable."""
    payload: tuple[Any, ...] | None = None
    """Content of the result channel: one element per JSON line that the program wrote to the
    descriptor named in the environment variable ``RESULT_FD``. ``None`` where it wrote none or
    something that is not JSON. An unfinished last line is dropped. The content is not trustworthy,
    because *the program* writes it: a judge compares it with expected values outside, which never
    enter the sandbox."""
    stdout: str = ""
    """Standard output: at most ``Limits.output_bytes`` bytes, undecodable ones replaced."""
    stderr: str = ""
    """The last ``STDERR_CHARS`` characters of standard error."""
    spoilt: bool = False
    """Whether the result channel held something that is not JSON lines, or too many of them."""
    exit_code: int | None = None
    """The program's exit code, 128 + n where signal n ended it; ``None`` where it was killed by
    us."""
    timed_out: bool = False
    """Whether wall or CPU time was exceeded."""
    killed_by: KilledBy | None = None
    seconds: float = 0.0
    """Wall-clock seconds from launch to the last byte."""
    reason: str = ""
    """Why ``ok`` is false, in one line; empty where it is true."""


class Sandbox(Protocol):
    """Runs untrusted Python programs. The tests in ``tests/conformance/test_sandbox.py`` define the
    full interface."""

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
