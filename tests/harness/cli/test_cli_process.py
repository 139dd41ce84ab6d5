"""The command as a process: light help, signals, a reader that leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
HELP = "import sys; from harness.cli import main; code = main(['--help']); print(*sys.modules)"
RUN = """
import sys
from harness.cli import main
from tests.harness.fake_engine import FakeEngine
fake = FakeEngine()
fake.endless = True
fake.install()
if 'deaf' in sys.argv:
    async def tell(id, problem, observer, stop, paused):
        import asyncio
        from harness.report import Event
        observer(Event(kind='start', text='deaf', data={'run_id': 'run-1', 'problem': 'p'}))
        await asyncio.sleep(60)
    fake._tell = tell
sys.exit(main(['run', '-p', 'multistage/1']))
"""


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def python(program: str, environment: dict[str, str], *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *words], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(process: subprocess.Popen[str], text: str) -> str:
    assert process.stderr is not None
    seen = ""
    while text not in seen:
        line = process.stderr.readline()
        assert line, f"the process ended before it said {text!r}: {seen}"
        seen += line
    return seen


def test_help_imports_nothing_heavy(environment: dict[str, str]) -> None:
    out, err = python(HELP, environment).communicate(timeout=60)
    assert err == ""
    loaded = set(out.split())
    assert not loaded & {"torch", "numpy", "pydantic", "sqlalchemy", "langgraph", "transformers"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_softly(environment: dict[str, str], number: signal.Signals) -> None:
    process = python(RUN, environment)
    wait_for(process, "plan")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopping at the next safe point" in err
    assert "continue with: harness resume run-" in out
    assert "Traceback" not in err


def test_an_echo_of_the_signal_is_no_second_wish(environment: dict[str, str]) -> None:
    process = python(RUN, environment)
    wait_for(process, "plan")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "continue with: harness resume run-" in out


def test_a_second_signal_aborts_at_once(environment: dict[str, str]) -> None:
    process = python(RUN, environment, "deaf")
    wait_for(process, "deaf")
    process.send_signal(signal.SIGINT)
    wait_for(process, "stopping")
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "aborted; continue with: harness resume run-1" in err


def test_a_reader_that_leaves_is_no_error(environment: dict[str, str]) -> None:
    program = "import sys; from harness.cli import main; sys.exit(main(['runs', 'list', '--json']))"
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, stdout=write_end,
        stderr=subprocess.PIPE, text=True, timeout=60,
    )  # fmt: skip
    os.close(write_end)
    assert (done.stderr, done.returncode) == ("", 1)
