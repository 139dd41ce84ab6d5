"""Runs *inside* the sandbox: test code calls a candidate that lives in a process of its own.

For each candidate a judge process is forked, which forks the candidate's. The candidate loads its
code and answers calls over a pipe with plain values (see ``driver.py``); the tests run in the judge.
Judge and parent cannot be read or traced by the candidate, and it holds no descriptor that leads to
them but its own two, so it can neither see what is expected nor write a verdict. Killing the judge
is a failure. Runs on Python >= 3.9 without this project.

Channel: one line for each candidate, ``{"candidate": n, "passed": true}`` or ``{"candidate": n,
"stage": "load" | "test" | "end", "type": …, "message": …}``.
"""

from __future__ import annotations

import builtins
import ctypes
import json
import os
import select
import signal
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing

FOLDER = "/run/files/"
PR_SET_DUMPABLE = 4
OUT_OF_TIME = (signal.SIGXCPU, signal.SIGKILL)
"""How the kernel ends a process at its CPU limit; nothing else kills a candidate while it is read."""


class CandidateError(Exception):
    """An exception of the candidate's that the judge has no class for."""


class Gone(Exception):
    """The candidate's process ended, or wrote what the driver never does."""


class TimeSpent(Exception):
    """The candidate's process used up its CPU time."""


def read_file(name: str) -> str:
    """A file that came with the launch."""
    with open(FOLDER + name, encoding="utf-8", errors="surrogatepass") as handle:
        return handle.read()


def make_driver() -> typing.Any:
    """``driver.py`` as a module: how values travel."""
    module = types.ModuleType("driver")
    exec(compile(read_file("driver.py"), "driver.py", "exec", dont_inherit=True), module.__dict__)
    return module


def serve(driver: typing.Any, source: str, entry: str, calls: int, answers: int) -> None:
    """The candidate's process: load, then answer calls until nobody asks any more."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.closerange(3, min(calls, answers))
    os.closerange(min(calls, answers) + 1, max(calls, answers))
    os.closerange(max(calls, answers) + 1, 64)
    os.environ.pop("RESULT_FD", None)
    channel = driver.Channel(answers)
    with os.fdopen(calls, "rb") as asked:
        try:
            target = driver.find(driver.load(source, "candidate"), entry)
        except BaseException as error:  # noqa: BLE001 - reported, whatever it is
            channel.send({"load": driver.describe(error)})
            return
        channel.send({"ready": True})
        for line in asked:
            try:
                record = {
                    "case": 0,
                    "value": driver.encode(driver.invoke(target, json.loads(line))),
                }
            except BaseException as error:  # noqa: BLE001 - reported, whatever it is
                record = {"case": 0, "error": driver.describe(error)}
            channel.send(record)


class Proxy:
    """Stands in the tests for the candidate's function."""

    def __init__(self, driver: typing.Any, process: int, calls: int, answers: int) -> None:
        self.driver, self.process, self.calls = driver, process, calls
        self.answers = os.fdopen(answers, "rb")

    def read(self) -> dict[str, typing.Any]:
        """The next record. Raises Gone or TimeSpent where none comes."""
        line = self.answers.readline()
        if not line.endswith(b"\n"):
            _, status = os.waitpid(self.process, 0)
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) in OUT_OF_TIME:
                raise TimeSpent
            raise Gone("ended the program before returning")
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            raise Gone("left a result that is not the driver's")
        return record

    def __call__(self, *args: object, **kwargs: object) -> object:
        call = {"args": self.driver.encode(list(args)), "kwargs": self.driver.encode(kwargs)}
        data = json.dumps(call).encode("ascii") + b"\n"
        try:
            while data:
                data = data[os.write(self.calls, data) :]
        except BrokenPipeError:  # it is gone: reading says how
            pass
        record = self.read()
        if "value" in record:
            try:
                return self.driver.decode(record["value"])
            except ValueError:
                raise Gone("left a result that is not the driver's") from None
        error = record.get("error")
        error = error if isinstance(error, dict) else {}
        name, message = str(error.get("type"))[:64], str(error.get("message"))[:300]
        known = getattr(builtins, name, None)
        if isinstance(known, type) and issubclass(known, Exception) and name[:7] != "Unicode":
            raise known(message)
        raise CandidateError(f"{name}: {message}")


def judge(driver: typing.Any, job: dict[str, typing.Any], source: str, verdicts: int) -> None:
    """The judge's process: run the tests against one candidate and write the verdict."""
    call_read, call_write = os.pipe()
    answer_read, answer_write = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            serve(driver, source, job["entry_point"], call_read, answer_write)
        finally:
            os._exit(0)
    os.close(call_read)
    os.close(answer_write)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    proxy = Proxy(driver, process, call_write, answer_read)
    verdict: dict[str, object] = {"passed": True}
    stage = "load"
    try:
        loaded = proxy.read()
        if "load" in loaded:
            verdict = {"stage": "load", **loaded["load"]}
        else:
            stage = "test"
            scope: dict[str, typing.Any] = {"__name__": "tests"}
            exec(compile(job["prompt"], "prompt.py", "exec", dont_inherit=True), scope)
            scope[job["entry_point"]] = proxy
            exec(compile(job["test"], "test.py", "exec", dont_inherit=True), scope)
            if callable(scope.get("check")):
                scope["check"](proxy)
    except TimeSpent:
        verdict = {"stage": stage, "type": "timeout", "message": ""}
    except BaseException as error:  # noqa: BLE001 - a verdict, whatever it is
        verdict = {"stage": stage, **driver.describe(error), **place(error, job)}
    os.write(verdicts, json.dumps(verdict).encode("ascii") + b"\n")


def place(error: BaseException, job: dict[str, typing.Any]) -> dict[str, str]:
    """The line of the tests that failed."""
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "test.py":
            line = trace.tb_lineno
        trace = trace.tb_next
    lines = job["test"].splitlines()
    return {"line": lines[line - 1].strip()[:300]} if 0 < line <= len(lines) else {}


def attend(driver: typing.Any, job: dict[str, typing.Any], source: str) -> dict[str, object]:
    """One candidate from fork to verdict, within ``job["timeout"]`` seconds of wall-clock time."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setpgid(0, 0)
            os.close(read_end)
            judge(driver, job, source, write_end)
        finally:
            os._exit(0)
    os.close(write_end)
    ready, _, _ = select.select([read_end], [], [], job["timeout"])
    line = os.read(read_end, 65536) if ready else b""
    os.close(read_end)
    for kill in (os.killpg, os.kill):  # the group exists only once the child has made it
        try:
            kill(child, signal.SIGKILL)
        except OSError:
            continue
    os.waitpid(child, 0)
    if line.endswith(b"\n"):
        verdict: dict[str, object] = json.loads(line)
        return verdict
    return {"stage": "end", "type": "timeout" if not ready else "crash", "message": ""}


def main() -> None:
    """Entry inside the sandbox: every candidate in turn."""
    # The candidate runs as the same user: without this it could open the judge's memory.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    driver = make_driver()
    job = json.loads(read_file("job.json"))
    channel = int(os.environ["RESULT_FD"])
    for number in range(job["candidates"]):
        verdict = attend(driver, job, read_file(f"candidate{number}.py"))
        data = json.dumps({"candidate": number, **verdict}).encode("ascii") + b"\n"
        os.write(channel, data)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
