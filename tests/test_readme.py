"""Every snippet of the README is run, or, where it would call this test run, checked."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.specialists.scripted import Reply, answering, chat
from tests.specialists.tiny import tiny

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf8")
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S)
    for line in block.strip().splitlines()
]
EXPECTED = {"--strategy direct": {0, 1}, "--max-calls": {0, 3}}
"""The baseline that answers in one call need not be right, and a budget may be spent."""


def harness(command: str, home: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == "harness"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HARNESS_")}
    return subprocess.run(
        [sys.executable, "-m", "harness", *words[1:]], cwd=ROOT, input=stdin, text=True,
        capture_output=True, env={**environment, "HARNESS_HOME": str(home)}, check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_command(command: str, tmp_path: Path) -> None:
    done = harness(command, tmp_path)
    allowed = next((codes for part, codes in EXPECTED.items() if part in command), {0})
    assert done.returncode in allowed, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_problem_file(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.S)
    file = tmp_path / "problem.yaml"
    file.write_text(snippet)
    done = harness(f"harness run --problem {file}", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def snippet(beginning: str) -> str:
    """The one command of a block that is not run as it stands."""
    (line,) = re.findall(rf"```\n({re.escape(beginning)}[^\n]*)", TEXT)
    return str(line)


@pytest.mark.slow
def test_an_adapter_of_one_s_own(tmp_path: Path) -> None:
    shutil.copytree(
        tiny().adapters / "alpha", tmp_path / "sql-lora", ignore=shutil.ignore_patterns("card.json")
    )
    command = snippet("harness specialist add")
    for name in ("./sql-lora", "my-fleet"):
        command = command.replace(name, str(tmp_path / name))
    done = harness(command, tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "my-fleet" / "adapters" / "sql-lora" / "card.json").is_file()


@pytest.mark.slow
def test_a_model_at_an_endpoint(tmp_path: Path) -> None:
    reply = Reply(chat("#### 6"))
    with answering(lambda body, number: reply) as endpoint:
        command = snippet("harness run -").replace("http://localhost:8000/v1", endpoint.url)
        done = harness(command.replace("NAME", "m"), tmp_path, "How much is 2 + 4?")
    assert done.returncode == 1, done.stderr
    assert "not verified" in done.stdout


@pytest.mark.slow
def test_measuring(tmp_path: Path) -> None:
    (block,) = re.findall(r"```\n(harness eval compare.*?)```", TEXT, re.S)
    for command in block.strip().splitlines():
        small = command.replace("horizon/8", "horizon/4 --count 1 --out " + str(tmp_path / "out"))
        done = harness(
            small.replace("errors.html", str(tmp_path / "errors.html")), tmp_path / "home"
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", ["run.sh", "test.sh", "setup.sh"])
def test_scripts_are_whole(script: str) -> None:
    path = ROOT / "scripts" / script
    assert os.access(path, os.X_OK)
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0


def test_the_two_commands_stand_in_the_readme() -> None:
    assert "\nscripts/run.sh\n" in TEXT
    assert "\nscripts/test.sh\n" in TEXT


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)]+)\)", TEXT))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
