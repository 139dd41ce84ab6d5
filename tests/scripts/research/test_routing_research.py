"""The research benchmarks of routing: what they print, what they write, and how they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.research import adaptive_router, splitting


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder that also holds the figures."""
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_splitting_prints_what_it_writes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--templates", "5", "--out", str(folder / "b"))
    assert splitting.main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(
        (folder / "b" / "splitting.json").read_text()
    )
    assert splitting.main(words) == 0
    said = capsys.readouterr().out
    assert said.startswith("# Splitting requests: ")
    assert said.strip() == (folder / "b" / "splitting.md").read_text().strip()


@pytest.mark.slow
def test_the_adaptive_router_on_tokens(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert adaptive_router.main(["--part", "tokens", "--seeds", "1", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert {row["seed"] for row in made["tokens"]["rows"]} == {0}
    assert "## (a) Tokens" in (folder / "runs" / "benchmarks" / "var.md").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--part", "moe", "--device", "tpu"), "--device: should be cpu or cuda, not 'tpu'"),
        (("--part", "words"), "--part: should be of tokens, requests, moe, not 'words'"),
        (("--part", "requests", "--fleet", "nowhere"), "--fleet nowhere: there is no folder"),
        (("--part", "requests", "--backend", "magic"), "--backend: should be 'local', 'openai'"),
    ],
)
def test_what_is_wrong_is_one_line(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adaptive_router.main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {says}")
    assert said.count("\n") == 1


def test_a_wrong_option_names_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert splitting.main(["--tempo", "5"]) == 2
    assert "(`python -m scripts.research.splitting --help` shows" in capsys.readouterr().err
