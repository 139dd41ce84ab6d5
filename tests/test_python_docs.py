"""The snippets of ``docs/python.md`` are one program: it runs, and prints what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from tests.specialists.scripted import Reply, answering, chat

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "python.md").read_text(encoding="utf8")
SNIPPETS = re.findall(r"```python\n(.*?)```", TEXT, re.S)
PRINTED = re.compile(r"print\((.*)\)  # (.*)")
EXPECT = """
def expect(found, wanted):
    assert str(found) == wanted, f"{found} is not {wanted}"
    print("as expected")
"""


def program() -> str:
    """All snippets in their order, with a check in place of each print whose result is given."""
    return EXPECT + PRINTED.sub(lambda m: f"expect({m[1]}, {m[2]!r})", "\n".join(SNIPPETS))


@pytest.mark.slow
def test_the_snippets_print_what_the_page_says(tmp_path: Path) -> None:
    reply = Reply(chat("#### 6"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HARNESS_")}
    environment |= {"HARNESS_HOME": str(tmp_path / "runs"), "PYTHONPATH": str(ROOT)}
    with answering(lambda body, number: reply) as endpoint:
        done = subprocess.run(
            [sys.executable, "-c", program().replace("http://localhost:8000/v1", endpoint.url)],
            cwd=tmp_path, env=environment, text=True, capture_output=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("as expected") == len(PRINTED.findall("\n".join(SNIPPETS)))
    assert (tmp_path / "comparison" / "attempts.jsonl").is_file()


def test_the_snippets_are_programs() -> None:
    assert len(SNIPPETS) >= 8
    compile(program(), "docs/python.md", "exec")


def test_every_public_name_is_on_the_page() -> None:
    assert [name for name in harness.__all__ if name not in TEXT] == []


def test_every_field_of_a_report_is_on_the_page() -> None:
    assert [name for name in harness.RunReport.model_fields if f"`{name}`" not in TEXT] == []


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)]+)\)", TEXT))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
