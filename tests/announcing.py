"""Packages that exist for one test: on the path, with the entry points that they announce."""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eval.domains.evaluations import evaluations
from tiers.domains import installed


@contextmanager
def package(folder: Path, name: str, code: str, pyproject: str) -> Iterator[None]:
    """Module ``name`` with ``code``, installed with the entry points of ``pyproject``."""
    (folder / f"{name}.py").write_text(code, "utf8")
    with announced(folder, name, pyproject):
        yield


@contextmanager
def announced(folder: Path, name: str, pyproject: str) -> Iterator[None]:
    """The module ``name`` of ``folder``, installed as :func:`package` does."""
    announce(folder, name, pyproject)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    forget()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(name, None)
        forget()


def announce(folder: Path, name: str, pyproject: str) -> None:
    """Write beside a module what an installer would write for its entry points."""
    metadata = folder / f"{name}_for_tests-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Name: {name}-for-tests\nVersion: 1.0\n")
    groups = tomllib.loads(pyproject)["project"]["entry-points"]
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[{group}]", *(f"{point} = {value}" for point, value in points.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))


def forget() -> None:
    """Have the registries look again."""
    installed.cache_clear()
    evaluations.cache_clear()
