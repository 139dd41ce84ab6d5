"""Hostile programs: each tries to get out, to stay, or to starve the machine."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import eval.sandbox.bubblewrap as bubblewrap
from eval.sandbox import BubblewrapSandbox, Limits, SandboxResult

ROOT = Path(__file__).parents[3]
_sizes = itertools.count(9_000_001 + os.getpid() * 100)


@pytest.fixture(params=["namespaces and seccomp", "namespaces alone"])
def _defence(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "namespaces alone":
        monkeypatch.setattr(bubblewrap, "filter_program", lambda: None)


both = pytest.mark.usefixtures("_defence")


def marked(**limits: object) -> Limits:
    """Limits whose file size marks the sandbox's processes, see ``survivors``."""
    return Limits(file_bytes=next(_sizes), **limits)  # type: ignore[arg-type]


def survivors(limits: Limits) -> int:
    found = 0
    for entry in Path("/proc").iterdir():
        try:
            found += f"FSIZE={limits.file_bytes}:".encode() in (entry / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
    return found


def run(program: str, limits: Limits | None = None) -> SandboxResult:
    limits = limits or marked(seconds=60, cpu_seconds=2)
    result = asyncio.run(BubblewrapSandbox().run(program, limits=limits))
    deadline = time.monotonic() + 2
    while survivors(limits) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert survivors(limits) == 0
    return result


def attempt(action: str, limits: Limits | None = None) -> SandboxResult:
    """Runs ``action``, which must fail with an OSError."""
    lines = "\n".join("    " + line for line in action.splitlines())
    program = f"import os, socket, ctypes\ntry:\n{lines}\nexcept OSError as error:\n"
    result = run(program + "    print('refused', error.errno)\nelse:\n    print('ESCAPED')", limits)
    assert result.stdout.startswith("refused"), (result.stdout, result.stderr, result.reason)
    return result


@both
def test_loopback_is_not_the_hosts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        port = server.getsockname()[1]
        attempt(f"socket.create_connection(('127.0.0.1', {port}), 2)")
        with pytest.raises(TimeoutError):
            server.accept()


@both
@pytest.mark.parametrize("address", ["('1.1.1.1', 53)", "('2606:4700:4700::1111', 53)"])
def test_the_internet_is_not_there(address: str) -> None:
    attempt(f"socket.create_connection({address}, 2)")


def test_an_abstract_socket_of_the_host_is_not_there() -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0hi-moe-{os.getpid()}")
        server.listen()
        attempt(f"socket.socket(socket.AF_UNIX).connect('\\0hi-moe-{os.getpid()}')")


@pytest.mark.parametrize(
    "path", ["/etc/shadow", "/etc/passwd", str(Path.home()), str(ROOT), "/work", "/root", "/sys"]
)
def test_host_files_are_not_there(path: str) -> None:
    attempt(f"os.listdir({path!r}) if not {path!r}.startswith('/etc') else open({path!r})")


def test_the_environment_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    program = "import os\nprint(sorted(os.environ)); print(open('/proc/1/environ').read())"
    result = run(program)
    assert "OPENAI" not in result.stdout
    assert "['HOME', 'LC_CTYPE', 'PATH', 'PWD', 'RESULT_FD']" in result.stdout or (
        "['HOME', 'PATH', 'PWD', 'RESULT_FD']" in result.stdout
    )


@pytest.mark.parametrize("folder", ["/usr", "/usr/bin", "/", "/run", "/run/files", "/dev", "/proc"])
def test_nothing_can_be_written_outside_the_work_folder(folder: str) -> None:
    attempt(f"open('{folder}/hi-moe-was-here', 'w')")
    assert not Path(folder, "hi-moe-was-here").exists()


def test_files_have_a_largest_size_and_folders_too() -> None:
    small = marked(seconds=60, scratch_bytes=2**20)
    big = "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    attempt(big + "with open('/tmp/x', 'wb') as f:\n    while True: f.write(b'x' * 2**16)")
    attempt(big + "with open('/box/x', 'wb') as f:\n    while True: f.write(b'x' * 2**16)", small)


def test_a_fork_bomb_is_held_by_the_process_limit() -> None:
    limits = marked(seconds=60, processes=12)
    count = """import os, time
made = 0
try:
    while made < 500:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
except OSError:
    pass
print(made)"""
    result = run(count, limits)
    assert 0 < int(result.stdout) < 12


@pytest.mark.slow
def test_a_fork_bomb_that_does_not_wait_ends_with_the_sandbox() -> None:
    result = run(
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        marked(seconds=2, cpu_seconds=30, processes=16),
    )
    assert (result.ok, result.killed_by) == (False, "wall")


def test_threads_count_as_processes() -> None:
    program = """import threading, time
made = 0
try:
    while made < 500:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        made += 1
except RuntimeError:
    pass
print(made, flush=True)
import os; os._exit(0)"""
    assert 0 < int(run(program, marked(processes=10)).stdout) < 10


@pytest.mark.slow
def test_many_processes_share_one_memory_limit() -> None:
    program = """import os, time
for _ in range(8):
    if os.fork() == 0:
        held = b'x' * (60 * 2**20)
        time.sleep(30)
time.sleep(30)"""
    result = run(program, marked(seconds=20, memory_bytes=256 * 2**20))
    assert (result.ok, result.killed_by) == (False, "memory")


@pytest.mark.slow
def test_a_memory_bomb_fails_alone() -> None:
    result = run("x = []\nwhile True: x.append(bytearray(2**24))")
    assert not result.ok
    assert "MemoryError" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGXCPU", "SIGALRM", "SIGTERM"])
def test_a_loop_that_ignores_signals_still_ends(name: str) -> None:
    program = f"import signal\nsignal.signal(signal.{name}, signal.SIG_IGN)\nwhile True: pass"
    assert not run(program, marked(seconds=60, cpu_seconds=1)).ok


def test_no_signal_reaches_us() -> None:
    calls = [f"os.kill({os.getpid()}, 9)", "os.kill(os.getppid(), 9)", "os.kill(-1, 9)"]
    calls += ["os.killpg(os.getpgid(os.getppid()), 9)", "os.kill(1, 9)"]
    program = "import os\nfor call in CALLS:\n    try: eval(call)\n    except OSError: pass\n"
    result = run(f"CALLS = {calls}\n" + program + "print('alive')")
    assert result.stdout in ("alive\n", "")  # we are: this line runs


@pytest.mark.slow
@both
@pytest.mark.parametrize(
    "call",
    [
        "mount(b'none', b'/box', b'tmpfs', 0, None)",
        "umount2(b'/proc', 2)",
        "unshare(0x10000000)",
        "setns(0, 0)",
        "chroot(b'/box')",
        "setuid(0)",
        "sethostname(b'x', 1)",
        "reboot(0)",
        "init_module(0, 0, 0)",
        "setrlimit(6, (ctypes.c_ulong * 2)(4096, 4096))",
    ],
)
def test_system_calls_through_ctypes(call: str) -> None:
    attempt(
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"if libc.{call} == -1: raise OSError(ctypes.get_errno(), 'refused')"
    )


@pytest.mark.parametrize(
    "call",
    [
        "ptrace(16, 1, 0, 0)",
        "ptrace(0, 0, 0, 0)",
        "personality(0)",
        "syscall(425, 1, 0)",
        "syscall(427, 0, 0, 0, 0)",
        "process_vm_readv(1, 0, 0, 0, 0, 0)",
        "memfd_create(b'x', 0)",  # memory that no limit counts
        "socket(16, 3, 0)",  # netlink
    ],
)
def test_system_calls_that_only_the_filter_refuses(call: str) -> None:
    result = attempt(
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"if libc.{call} == -1: raise OSError(ctypes.get_errno(), 'refused')"
    )
    assert result.stdout == "refused 1\n"


def test_an_orphan_in_a_session_of_its_own_dies_too() -> None:
    program = """import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(64):
            try: os.close(fd)
            except OSError: pass
        time.sleep(60)
    os._exit(0)
os.wait()"""
    result = run(program)
    assert result.ok
    assert result.seconds < 4


def test_a_child_that_holds_the_channels_open_does_not_hold_us() -> None:
    started = time.monotonic()
    assert run("import os, time\nif os.fork() == 0: time.sleep(60)").ok
    assert time.monotonic() - started < 4


@pytest.mark.slow
def test_cancelling_kills_what_the_program_started() -> None:
    limits = marked(seconds=60)

    async def cancel() -> None:
        program = "import os, time\nos.fork(); os.fork(); time.sleep(60)"
        task = asyncio.create_task(BubblewrapSandbox().run(program, limits=limits))
        while survivors(limits) < 5:
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(cancel(), 20))
    time.sleep(0.2)
    assert survivors(limits) == 0


@pytest.mark.slow
def test_the_sandbox_dies_with_us() -> None:
    limits = marked(seconds=60)
    program = (
        "import asyncio, sys\nfrom eval.sandbox import BubblewrapSandbox, Limits\n"
        f"limits = Limits(seconds=60, file_bytes={limits.file_bytes})\n"
        "asyncio.run(BubblewrapSandbox().run('import time; time.sleep(60)', limits=limits))"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT) as harness:
        deadline = time.monotonic() + 30
        while survivors(limits) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert survivors(limits) >= 2
        harness.send_signal(signal.SIGKILL)
    time.sleep(0.5)
    assert survivors(limits) == 0


@pytest.mark.slow
def test_it_runs_from_a_thread_and_leaves_no_descriptor_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    results: list[SandboxResult] = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: results.append(run("print(1)")))
        thread.start()
        thread.join()
    assert [result.stdout for result in results] == ["1\n"] * 3
    assert len(os.listdir("/proc/self/fd")) <= before
