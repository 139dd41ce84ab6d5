"""``docs/architecture.md`` names what is there, and the packages keep to the order that it gives."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text("utf8")
PACKAGES = ("state", "specialists", "tiers", "eval", "harness")
"""Each may import those before it."""
PATHS = sorted(
    {
        path for path in re.findall(r"`([\w./]+)`", TEXT)
        if path.split("/")[0] in (*PACKAGES, "scripts", "tests") and "/" in path
    }
)  # fmt: skip


def imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text("utf8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_every_path_on_the_page_exists() -> None:
    assert len(PATHS) > 80
    assert [path for path in PATHS if not (ROOT / path).exists()] == []


def test_every_package_is_on_the_page() -> None:
    found = [path for top in (*PACKAGES, "scripts") for path in (ROOT / top).rglob("__init__.py")]
    folders = {f"{path.parent.relative_to(ROOT)}/" for path in found}
    assert sorted(folders - {*PATHS} - {"state/migrations/versions/"}) == []


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    above = set(PACKAGES[PACKAGES.index(package) + 1 :])
    modules = (ROOT / package).rglob("*.py")
    assert [str(m.relative_to(ROOT)) for m in modules if above & {*imported(m)}] == []
    order = " → ".join(reversed(PACKAGES))
    assert f"`{order}`" in TEXT


@pytest.mark.parametrize("page", ["docs/python.md", "docs/architecture.md", "CONTRIBUTING.md"])
def test_the_readme_lists(page: str) -> None:
    _, pages = (ROOT / "README.md").read_text("utf8").split("\n## More\n")
    assert f"]({page})" in pages


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)", TEXT))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
