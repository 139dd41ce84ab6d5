"""Imports of the commands: an unnecessary import would slow every command down."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.app import COMMANDS
from harness.cli.lazy import imported

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
WORDS = """
import sys
from harness.cli import main
code = main(sys.argv[1:])
print(code, *sys.modules, sep="\\n", file=sys.stderr)
"""
UP_TO_THE_MODEL = """
import sys
from harness import wiring

async def open_backend(options):
    print(0, *sys.modules, sep="\\n", file=sys.stderr)
    raise SystemExit

wiring.open_backend = open_backend
from harness.cli import main
main(sys.argv[1:])
"""
MODELS = {"torch", "transformers", "sentence_transformers", "peft", "accelerate", "sklearn"}
GRAPHS = {"langgraph", "langchain_core"}
CLIENTS = {"openai", "httpx", "httpx2", "datasets", "ray"}
REPORTS = {"matplotlib", "scipy", "pandas"}
NEVER_TO_LOOK = MODELS | GRAPHS | CLIENTS | REPORTS
TABLES = {"sqlalchemy", "sqlmodel", "alembic", "numpy", "pydantic", "yaml", "rich.table"}
LISTS = [
    "runs list",
    "bead list",
    "bead ready",
    "bead blocked",
    "bead stats",
    "bead search x",
    "bead create title",
    "bead claim --next",
    "bead dep cycles",
]


def loaded(program: str, words: str, folder: Path) -> set[str]:
    """The modules that are imported when a command has ended well."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HARNESS_")}
    done = subprocess.run(
        [sys.executable, "-c", program, *words.split()], cwd=folder, text=True,
        capture_output=True, timeout=120, check=False,
        env={**environment, "PYTHONPATH": str(ROOT), "HARNESS_HOME": str(folder / "runs")},
    )  # fmt: skip
    lines = done.stderr.splitlines()
    assert "0" in lines, done.stderr[-2000:]
    return set(lines[lines.index("0") :])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a store of a bead, so that what makes a store is no part of what is measured."""
    loaded(WORDS, "bead create first", tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", LISTS)
def test_what_lists_imports_neither_models_nor_table_libraries(folder: Path, words: str) -> None:
    assert sorted(loaded(WORDS, words, folder) & (NEVER_TO_LOOK | TABLES)) == []


@pytest.mark.parametrize("words", ["specialist list", "init", "version", "runs list --json"])
def test_what_looks_imports_no_models(folder: Path, words: str) -> None:
    assert sorted(loaded(WORDS, words, folder) & NEVER_TO_LOOK) == []


def test_doctor_leaves_torch_to_another_process(folder: Path) -> None:
    found = loaded(WORDS, "doctor", folder)
    assert "harness.doctor" in found
    assert sorted(found & NEVER_TO_LOOK) == []


def test_run_speaks_before_it_loads_a_model(folder: Path) -> None:
    found = loaded(UP_TO_THE_MODEL, "run horizon/4-1", folder)
    assert "harness.engine" in found
    assert sorted(found & (MODELS | CLIENTS | REPORTS | {"langgraph.graph"})) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_help_is_the_command_s_own(name: str) -> None:
    target, says = COMMANDS[name]
    assert imported(name, target).help.split("\n\n")[0].replace("\n", " ") == says


def test_only_the_command_that_is_called_is_imported(folder: Path) -> None:
    found = loaded(WORDS, "--help", folder)
    assert {name for name in found if name.startswith("harness.cli.")} <= {
        "harness.cli.app", "harness.cli.lazy", "harness.cli.options"
    }  # fmt: skip
    assert sorted(found & {"pydantic", "state", "eval", "tiers", "specialists"}) == []
