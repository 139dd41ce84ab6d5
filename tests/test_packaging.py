"""Content of the wheel: every module and data file of the packages, and nothing that needs
scripts."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("harness", "tiers", "specialists", "state", "eval")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_every_data_file_is_package_data() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    shipped = set[Path]()
    for package, patterns in settings["package-data"].items():
        folders = (
            {module.parent for module in MODULES}
            if package == "*"
            else [ROOT / package.replace(".", "/")]
        )
        shipped |= {file for folder in folders for p in patterns for file in folder.glob(p)}
    there = {
        path for package in PACKAGES for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }  # fmt: skip
    assert sorted(there - shipped) == []


def test_every_folder_of_modules_is_a_package() -> None:
    assert [m for m in MODULES if not (m.parent / "__init__.py").is_file()] == []


@pytest.mark.slow
@pytest.mark.parametrize("outside", ["scripts", "tests"])
def test_nothing_that_is_shipped_imports_what_is_not(outside: str) -> None:
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert outside not in {name.split(".")[0] for name in names}, module
