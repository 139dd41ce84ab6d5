"""The first process of a launch: runs one trial after the other, each in processes of its own.

Channel: one line for each candidate, ``{"candidate": n, "apart": verdict, "together": verdict}``;
the second trial is made where the first one failed and the reason may be a value that could not be
sent.
"""

from __future__ import annotations

import ctypes
import json
import marshal
import os
import select
import signal
import sys
import time

from .judge import OUT_OF_TIME
from .trial import apart, together

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    import typing

    Trial = typing.Callable[[dict[str, typing.Any], str], dict[str, object]]

PR_SET_DUMPABLE = 4


def attend(trial: Trial, job: dict[str, typing.Any], source: str) -> dict[str, object]:
    """Run a trial from fork to verdict, within ``job["timeout"]`` seconds of wall-clock time."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setpgid(0, 0)
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            os.close(read_end)
            os.close(int(os.environ.pop("RESULT_FD")))
            data = json.dumps(trial(job, source)).encode("ascii") + b"\n"
            os.write(write_end, data)
        finally:
            os._exit(0)
    os.close(write_end)
    ready, _, _ = select.select([read_end], [], [], job["timeout"])
    line = os.read(read_end, 65536) if ready else b""
    os.close(read_end)
    status = _ended(child) if ready else None
    for process in (-child, child, -1):  # Its group, itself, and any other process that it left.
        try:
            os.kill(process, signal.SIGKILL)
        except OSError:
            continue
    if status is None:
        os.waitpid(child, 0)
    return _verdict(line, ready, status)


def _ended(child: int) -> int | None:
    """The status of a child that has closed its channel; None where it is still alive."""
    for _ in range(100):
        process, status = os.waitpid(child, os.WNOHANG)
        if process:
            return status
        time.sleep(0.01)
    return None


def _verdict(line: bytes, ready: list[int], status: int | None) -> dict[str, object]:
    """The verdict that a trial wrote; how it ended where it wrote nothing readable."""
    try:
        found = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        found = None
    if isinstance(found, dict) and (found.get("passed") or isinstance(found.get("type"), str)):
        return found
    signalled = status is not None and os.WIFSIGNALED(status)
    number = os.WTERMSIG(status) if status is not None and signalled else 0
    if not ready or number in OUT_OF_TIME:
        return {"stage": "end", "type": "timeout"}
    message = f"by signal {number}" if signalled else "before returning"
    return {"stage": "end", "type": "Gone", "message": message}


def main(code_of: typing.Callable[[str], types.CodeType]) -> None:
    """Entry point inside the sandbox; ``code_of`` returns a compiled module.

    The job arrives on standard input, which is then emptied.
    """
    # The candidate runs as the same user: without this it could open the memory of this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    job = json.loads(sys.stdin.buffer.read())
    os.ftruncate(0, 0)  # The candidate must not read the tests from the file either.
    channel = int(os.environ["RESULT_FD"])

    def tell(number: int, **verdicts: object) -> None:
        os.write(channel, json.dumps({"candidate": number, **verdicts}).encode("ascii") + b"\n")

    names = [name for name in sys.modules if name.partition(".")[0] == "validators"]
    codes = {name: code_of(name) for name in [*names, "validators.inside.candidate"]}
    job["modules"] = marshal.dumps(codes)
    candidates = job.pop("candidates")
    doubtful = []
    for number, source in enumerate(candidates):
        verdict = attend(apart, job, source)
        if verdict.get("passed") is True or verdict.get("definite"):
            tell(number, apart=verdict)
        else:
            doubtful.append((number, source, verdict))
    for number, source, verdict in doubtful:
        tell(number, apart=verdict, together=attend(together, job, source))
    os._exit(0)
