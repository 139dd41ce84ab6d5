"""``CONTRIBUTING.md`` and the hooks before a commit: what they name exists, and is what CI does."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf8")
CI = (ROOT / ".ci" / "run").read_text("utf8").splitlines()
LINT = ["ruff check .", "ruff format --check .", "mypy"]
NAMED = re.findall(r"`(\w+)(?:\(\))?`[^`(]*\(`([\w/]+\.py)`\)", TEXT)
NAMED += re.findall(r"`(\w+)` (?:in|of) `([\w/]+\.py)`", TEXT)


def test_the_hooks_do_what_ci_does() -> None:
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf8"))["repos"]
    assert [hook["entry"] for hook in repo["hooks"]] == CI[-3:] == LINT
    assert f"`{' && '.join(LINT)}`" in TEXT


@pytest.mark.parametrize("path", re.findall(r"`((?:\w+/)+[\w.]*|\.ci/run)[ `]", TEXT))
def test_paths_exist(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("name", "path"), NAMED)
def test_names_stand_where_it_says(name: str, path: str) -> None:
    module = import_module(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    assert hasattr(module, name)


def test_every_recipe_names_its_protocol_its_registry_and_its_tests() -> None:
    recipes = TEXT.split("\n## ")[-4:]
    assert [recipe.split("\n")[0] for recipe in recipes] == [
        "A backend", "A scorer", "A validator", "A domain"
    ]  # fmt: skip
    names = {name for name, _ in NAMED}
    assert {
        "Backend", "BackendName", "Scorer", "ScorerName", "MAKERS", "Validator", "CASES", "Domain",
        "Craft", "BUILT_IN", "open_scorer", "validators",
    } <= names  # fmt: skip
    assert all("\n3. " in recipe and "tests/" in recipe for recipe in recipes)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)", TEXT))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
