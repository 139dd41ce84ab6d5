"""The bubblewrap sandbox: starts, watches and kills programs, and reads their output."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict
from weakref import WeakKeyDictionary

from eval.sandbox.command import NOBODY, command, find_bwrap, find_interpreter
from eval.sandbox.contract import STDERR_CHARS, KilledBy, Limits, SandboxResult
from eval.sandbox.memory import resident_bytes
from eval.sandbox.seccomp import filter_program
from state.errors import SandboxUnavailable, UsageError

BOOT = Path(__file__).with_name("boot.py").read_text("utf-8")
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
CHUNK = 65536
LINES = 10_000
"""Most lines of the result channel; parsing more would block the event loop."""
MEMORY_INTERVAL = 0.1
"""Seconds between two measurements of the resident memory."""
GRACE = 5.0
"""Seconds in which a killed sandbox must close its channels."""


class Identity(TypedDict, total=False):
    """User under which bubblewrap starts; empty where this process is unprivileged already."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass
class Run:
    """One launched sandbox: its process, and the reason why it was killed, if it was."""

    process: asyncio.subprocess.Process
    killed_by: KilledBy | None = None
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    def kill(self, why: KilledBy | None) -> None:
        """Kill the process group; the pid namespace, orphans included, ends with its init."""
        if self.process.returncode is None:
            self.killed_by = self.killed_by or why
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                return  # The process ended between the check and the signal.


class BubblewrapSandbox:
    """Runs Python programs under bubblewrap, as an unprivileged user, with nothing but ``/usr``.

    No network, no host files, an empty work directory in memory, limits as in
    :class:`~eval.sandbox.contract.Limits`. At most ``concurrency`` programs run at once (default:
    one for each CPU); others wait. A launch by root first becomes uid 65534, because the kernel
    does not apply the process limit to root.
    """

    def __init__(self, limits: Limits | None = None, concurrency: int | None = None) -> None:
        """Set the limits. Raises UsageError for a ``concurrency`` below 1; needs no sandbox before
        ``run``."""
        if concurrency is not None and concurrency < 1:
            raise UsageError(f"sandbox concurrency must be at least 1, not {concurrency}")
        self.limits = limits or Limits()
        self.concurrency = concurrency or os.cpu_count() or 1
        self._slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            WeakKeyDictionary()
        )

    async def run(
        self,
        program: str,
        stdin: str = "",
        *,
        files: Mapping[str, str] | None = None,
        limits: Limits | None = None,
    ) -> SandboxResult:
        """See :class:`~eval.sandbox.contract.Sandbox`. ``seconds`` excludes the wait for a slot."""
        for name in files or {}:
            if not FILE_NAME.fullmatch(name):
                raise UsageError(f"sandbox file name {name!r}: use letters, digits, '_', '.', '-'")
        inside = {f"/run/files/{name}": text for name, text in (files or {}).items()}
        inside |= {"/run/boot.py": BOOT, "/run/program.py": program}
        loop = asyncio.get_running_loop()
        slots = self._slots.setdefault(loop, asyncio.Semaphore(self.concurrency))
        async with slots:
            return await _launch(inside, stdin, limits or self.limits)


async def _launch(inside: Mapping[str, str], stdin: str, limits: Limits) -> SandboxResult:
    bwrap, interpreter = find_bwrap(), find_interpreter()
    started = time.monotonic()
    with ExitStack() as descriptors:

        def hold(content: bytes, sealed: bool = True) -> int:
            descriptor = _file(content, sealed)
            descriptors.callback(os.close, descriptor)
            return descriptor

        held = {path: hold(_encoded(text)) for path, text in inside.items()}
        # Not sealed: a program may destroy its input, so that no later process reads it again.
        input_fd = hold(_encoded(stdin), sealed=False)
        blob = filter_program()
        seccomp_fd = None if blob is None else hold(blob)
        read_end, write_end = os.pipe()
        descriptors.callback(os.close, write_end)
        channel_file = os.fdopen(read_end, "rb", buffering=0)
        prefix, identity = _unprivileged()
        try:
            process = await asyncio.create_subprocess_exec(
                *prefix,
                *command(bwrap, interpreter, limits, held, write_end, seccomp_fd),
                stdin=input_fd,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=[*held.values(), write_end, *([seccomp_fd] if seccomp_fd else [])],
                start_new_session=True,
                cwd="/",
                env={"PATH": "/usr/bin:/bin"},
                **identity,
            )
        except OSError as error:
            channel_file.close()
            raise SandboxUnavailable(f"bubblewrap cannot be started: {error}") from error
        except BaseException:
            channel_file.close()
            raise
    return await _attend(Run(process), channel_file, limits, started)


async def _attend(run: Run, channel_file: Any, limits: Limits, started: float) -> SandboxResult:
    """Read the three channels until the end, the limits or a cancellation."""
    process = run.process
    assert process.stdout is not None
    assert process.stderr is not None
    channel = asyncio.StreamReader()
    transport: asyncio.BaseTransport | None = None
    try:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(channel), channel_file
        )

        def flood() -> None:
            run.kill("output")

        pumps = [
            asyncio.create_task(_pump(reader, room, flood))
            for reader, room in (
                (channel, limits.result_bytes),
                (process.stdout, limits.output_bytes),
                (process.stderr, limits.output_bytes),
            )
        ]
        run.tasks += [*pumps, asyncio.create_task(_guard_memory(run, limits.memory_bytes))]
        try:
            async with asyncio.timeout(limits.seconds):
                await process.wait()
        except TimeoutError:
            run.kill("wall")
        await process.wait()
        await asyncio.wait(pumps, timeout=GRACE)
        outputs = [task.result() if task.done() else b"" for task in pumps]
        return _result(run, outputs, time.monotonic() - started, limits)
    finally:
        run.kill(None)
        for task in run.tasks:
            task.cancel()
        if transport is None:
            channel_file.close()
        else:
            transport.close()
        await process.wait()


async def _pump(reader: asyncio.StreamReader, limit: int, flood: Callable[[], None]) -> bytes:
    """Read everything, keeping at most ``limit`` bytes; calls ``flood`` when there is more."""
    kept = bytearray()
    while chunk := await reader.read(CHUNK):
        room = limit - len(kept)
        kept += chunk[:room]
        if len(chunk) > room:
            flood()
    return bytes(kept)


async def _guard_memory(run: Run, limit: int) -> None:
    """Kill a run whose processes together exceed the memory limit; the address-space limit applies
    to each."""
    while run.process.returncode is None:
        await asyncio.sleep(MEMORY_INTERVAL)
        if resident_bytes(run.process.pid) > limit:
            run.kill("memory")


def _unprivileged() -> tuple[list[str], Identity]:
    """How root becomes nobody: by a command before bubblewrap's, else in the forked process.

    The command is preferred because ``subprocess`` changes users only after a full fork, and
    copying the page tables of a process that holds a model takes 0.1 s; without a change of user,
    it can vfork.
    """
    if os.geteuid() != 0:
        return [], {}
    if (setpriv := shutil.which("setpriv")) is None:
        return [], {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    change = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return [setpriv, *change, "--"], {}


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogatepass")


def _file(content: bytes, sealed: bool) -> int:
    """A descriptor on an anonymous file; a sealed one can only be read."""
    descriptor = os.memfd_create("hi-moe", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with os.fdopen(os.dup(descriptor), "wb") as handle:
        handle.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    if sealed:
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def _result(run: Run, outputs: list[bytes], seconds: float, limits: Limits) -> SandboxResult:
    channel, stdout, stderr = outputs
    errors = stderr.decode("utf-8", errors="replace")
    lines = channel.split(b"\n")[:-1]  # The text after the last newline is unfinished.
    if not lines and run.killed_by is None:
        said = errors.strip().splitlines() or [f"exit code {run.process.returncode}"]
        raise SandboxUnavailable(
            "bubblewrap is installed but cannot start a sandbox here (it needs version 0.8 and "
            f"unprivileged user namespaces): {said[-1]}"
        )
    code = run.process.returncode
    assert code is not None
    killed_by = run.killed_by or _signalled(code)
    payload, readable = _parse(lines[1:])
    reason = _reason(killed_by, code, readable, limits)
    return SandboxResult(
        ok=not reason,
        payload=payload,
        spoilt=not readable,
        stdout=stdout.decode("utf-8", errors="replace"),
        stderr=errors[-STDERR_CHARS:],
        exit_code=None if run.killed_by else code,
        timed_out=killed_by in ("wall", "cpu"),
        killed_by=killed_by,
        seconds=seconds,
        reason=reason,
    )


def _signalled(code: int) -> KilledBy | None:
    # bubblewrap reports a program that signal n ended as 128 + n.
    if code == 128 + signal.SIGXCPU:
        return "cpu"
    return "signal" if code < 0 or code > 128 else None


def _parse(lines: list[bytes]) -> tuple[tuple[Any, ...] | None, bool]:
    """The channel's values, and whether it was readable. The text is untrusted: too deep or too
    large values count as unreadable."""
    if len(lines) > LINES:
        return None, False
    try:
        values = tuple(json.loads(line) for line in lines)
    except (ValueError, RecursionError):
        return None, False
    return values or None, True


def _reason(killed_by: KilledBy | None, code: int, readable: bool, limits: Limits) -> str:
    match killed_by:
        case "wall":
            return f"still running after {limits.seconds:g} seconds"
        case "cpu":
            return f"used more than {limits.cpu_seconds} seconds of CPU time"
        case "output":
            return (
                f"wrote more than {limits.output_bytes} bytes, or {limits.result_bytes} of result"
            )
        case "memory":
            return f"used more than {limits.memory_bytes} bytes of memory"
        case "signal":
            return f"ended by signal {abs(code) % 128}"
    if code:
        return f"exit code {code}"
    return "" if readable else f"the result channel does not hold at most {LINES} JSON lines"
