"""The contract of ``eval.sandbox.Sandbox``: every implementation runs this suite."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

import pytest

from eval.sandbox import BubblewrapSandbox, Limits, Sandbox, SandboxResult
from state.errors import UsageError

IMPLEMENTATIONS: list[Callable[..., Sandbox]] = [BubblewrapSandbox]

SEND = "import json, os\nsend = lambda x: os.write(int(os.environ['RESULT_FD']), x.encode())\n"


@pytest.fixture(params=IMPLEMENTATIONS, ids=lambda made: made.__name__)
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    made: Sandbox = request.param(Limits(seconds=60, cpu_seconds=2))
    return made


def run(sandbox: Sandbox, program: str, stdin: str = "", **options: object) -> SandboxResult:
    return asyncio.run(sandbox.run(program, stdin, **options))  # type: ignore[arg-type]


def test_a_program_runs_as_main_with_its_input(sandbox: Sandbox) -> None:
    program = (
        "import sys\nif __name__ == '__main__':\n    print(input() + '!', len(sys.stdin.read()))"
    )
    result = run(sandbox, program, "héllo\n" + "x" * 200_000)
    assert (result.ok, result.stdout, result.exit_code) == (True, "héllo! 200000\n", 0)
    assert result.payload is None
    assert result.reason == ""
    assert 0 < result.seconds < 10


def test_a_program_finds_an_empty_module(sandbox: Sandbox) -> None:
    program = "print([name for name in dir() if not name.startswith('__')])"
    assert run(sandbox, program).stdout == "[]\n"


def test_the_result_channel_is_apart_from_stdout(sandbox: Sandbox) -> None:
    program = SEND + 'print("[1]")\nsend("{\\"a\\": 1}\\n")\nsend("[2, null]\\n")'
    result = run(sandbox, program)
    assert result.payload == ({"a": 1}, [2, None])
    assert result.stdout == "[1]\n"


def test_an_unfinished_line_is_dropped_and_nonsense_is_no_payload(sandbox: Sandbox) -> None:
    assert run(sandbox, SEND + 'send("1\\n2")').payload == (1,)
    deep = 'send("[" * 100000 + "\\n")'
    for nonsense in ('send("1\\nnot json\\n")', deep, 'send("9" * 5000 + "\\n")'):
        result = run(sandbox, SEND + nonsense)
        assert result.payload is None
        assert not result.ok
        assert "result channel" in result.reason


def test_files_are_there_and_read_only(sandbox: Sandbox) -> None:
    program = "print(open('/run/files/a.txt').read())\nopen('/run/files/a.txt', 'w')"
    result = run(sandbox, program, files={"a.txt": "inside\u2028"})
    assert result.stdout == "inside\u2028\n"
    assert result.exit_code == 1
    assert "Read-only" in result.stderr or "Permission" in result.stderr


@pytest.mark.parametrize("name", ["../x", "/etc/x", "", "a/b", ".hidden"])
def test_a_file_name_that_leads_elsewhere_is_refused(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(UsageError, match="file name"):
        run(sandbox, "", files={name: ""})


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("1/0", 1, "ZeroDivisionError"),
        ("import sys; sys.exit(7)", 7, ""),
        ("exit(3)", 3, ""),
        ("def f(:", 1, "SyntaxError"),
        ("x = '\ud800'", 1, ""),
        ("\0", 1, "Error"),
    ],
)
def test_a_program_that_ends_badly(sandbox: Sandbox, program: str, code: int, said: str) -> None:
    result = run(sandbox, program)
    assert (result.ok, result.exit_code, result.killed_by) == (False, code, None)
    assert said in result.stderr
    assert result.reason == f"exit code {code}"


@pytest.mark.slow
def test_an_endless_loop_meets_the_cpu_limit(sandbox: Sandbox) -> None:
    result = run(sandbox, "while True: pass")
    assert (result.ok, result.timed_out, result.killed_by) == (False, True, "cpu")
    assert "2 seconds of CPU" in result.reason


@pytest.mark.slow
def test_a_sleeper_meets_the_wall_limit(sandbox: Sandbox) -> None:
    program = "import time; print('here', flush=True); time.sleep(60)"
    result = run(sandbox, program, limits=Limits(seconds=1))
    assert (result.ok, result.timed_out, result.killed_by) == (False, True, "wall")
    assert result.exit_code is None
    assert result.stdout == "here\n"
    assert result.seconds < 5


def test_memory_ends_where_the_limit_is(sandbox: Sandbox) -> None:
    small = Limits(memory_bytes=128 * 2**20)
    assert "MemoryError" in run(sandbox, "x = bytearray(2**28)", limits=small).stderr
    assert run(sandbox, "x = bytearray(2**25)", limits=small).ok


@pytest.mark.parametrize("channel", ["1", "2", "int(os.environ['RESULT_FD'])"])
def test_a_flood_is_cut(sandbox: Sandbox, channel: str) -> None:
    flood = f"import os\nwhile True: os.write({channel}, b'x' * 65536)"
    result = run(sandbox, flood, limits=Limits(output_bytes=100_000))
    assert (result.ok, result.killed_by) == (False, "output")
    assert len(result.stdout) <= 100_000
    assert len(result.stderr) <= 8192


def test_output_that_is_not_text_is_replaced(sandbox: Sandbox) -> None:
    result = run(sandbox, "import os; os.write(1, b'a\\xff\\n')")
    assert result.stdout == "a\ufffd\n"
    assert json.loads(result.model_dump_json())["stdout"] == "a\ufffd\n"


@pytest.mark.slow
def test_a_cancelled_run_is_killed(sandbox: Sandbox) -> None:
    async def cancel() -> float:
        task = asyncio.create_task(sandbox.run("import time; time.sleep(60)"))
        await asyncio.sleep(0.3)
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - started

    assert asyncio.run(cancel()) < 3


@pytest.mark.slow
def test_runs_do_not_see_each_other(sandbox: Sandbox) -> None:
    async def both() -> list[SandboxResult]:
        write = "import time\nopen('/box/a', 'w').write('x'); open('/tmp/b', 'w'); time.sleep(0.3)"
        look = "import os, time\ntime.sleep(0.1); print(os.listdir('/box'), os.listdir('/tmp'))"
        return await asyncio.gather(sandbox.run(write), sandbox.run(look))

    first, second = asyncio.run(both())
    assert first.ok
    assert second.stdout == "[] []\n"


@pytest.mark.slow
@pytest.mark.parametrize("made", IMPLEMENTATIONS, ids=lambda made: made.__name__)
def test_concurrency_is_bounded(made: Callable[..., Sandbox]) -> None:
    sandbox = made(concurrency=2)

    async def four() -> float:
        started = time.monotonic()
        naps = (sandbox.run("import time; time.sleep(0.5)") for _ in range(4))
        assert all(result.ok for result in await asyncio.gather(*naps))
        return time.monotonic() - started

    assert asyncio.run(four()) > 1.0
    assert asyncio.run(four()) > 1.0  # and in another event loop


@pytest.mark.parametrize("made", IMPLEMENTATIONS, ids=lambda made: made.__name__)
def test_no_room_to_run_is_a_usage_error(made: Callable[..., Sandbox]) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        made(concurrency=0)


def test_input_can_be_opened_by_name(sandbox: Sandbox) -> None:
    assert run(sandbox, "print(open('/dev/stdin').read(), open(0).read())", "a").stdout == "a a\n"
