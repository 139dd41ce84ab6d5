"""A user's own packages named like ours, in the working folder or on PYTHONPATH."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("eval", "specialists", "state", "tiers")
SCRIPT = "import sys; from harness.cli import main; sys.exit(main())"


def python(
    folder: Path, *words: str, path: tuple[Path, ...] = ()
) -> subprocess.CompletedProcess[str]:
    names = os.pathsep.join(map(str, (*path, ROOT)))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HARNESS_")}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, text=True, capture_output=True, timeout=60,
        env={**environment, "PYTHONPATH": names, "HARNESS_HOME": str(folder / "runs")},
        check=False,
    )  # fmt: skip


@pytest.fixture(params=["package", "module"])
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with packages, or modules, of our names and of a library's."""
    for name in (*OURS, "yaml"):
        if request.param == "module":
            (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')\n")
        else:
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    return tmp_path


@pytest.mark.slow
def test_python_m_is_unaffected_by_the_working_folder(hostile: Path) -> None:
    done = python(hostile, "-m", "harness", "runs", "list", "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
    done = python(hostile, "-m", "harness", "run", "-p", "nowhere/1")
    assert done.returncode == 2
    assert "nowhere" in done.stderr


@pytest.mark.slow
def test_the_script_is_unaffected_by_the_path(hostile: Path) -> None:
    (hostile / "yaml.py").unlink(missing_ok=True)  # Who hides a library has asked for it.
    done = python(hostile, "-c", SCRIPT, "runs", "list", "--json", path=(hostile,))
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


@pytest.mark.parametrize("name", OURS)
def test_one_imported_before_ours_is_named_with_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    done = python(tmp_path, "-c", f"import {name}, harness", path=(tmp_path,))
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line == (
        f"ImportError: {tmp_path / name} hides the package {name!r} of hi-moe: rename it, or "
        "start elsewhere"
    )


def test_ours_imported_before_harness_are_ours(tmp_path: Path) -> None:
    done = python(tmp_path, "-c", "import tiers, harness; print(tiers.__file__)")
    assert (done.returncode, done.stdout) == (0, f"{ROOT / 'tiers' / '__init__.py'}\n")
