"""Settings: precedence, the file, and what is refused by name."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from harness import settings
from harness.init import template
from harness.settings import Settings
from state import UsageError


def write(folder: Path, text: str) -> Path:
    file = folder / "harness.toml"
    file.write_text(text)
    return file


def refusal(flags: dict[str, object] | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        settings.load(flags).options()
    return str(caught.value)


def test_flag_beats_variable_beats_file_beats_default(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.load().max_calls is None
    write(folder, "[budget]\nmax_calls = 1\nmax_tokens = 10\ntimeout = 5\n")
    monkeypatch.setenv("HARNESS_MAX_CALLS", "2")
    monkeypatch.setenv("HARNESS_MAX_TOKENS", "20")
    budget = settings.load({"max_calls": 3, "max_tokens": None}).options().budget
    assert (budget.calls, budget.tokens, budget.seconds) == (3, 20, 5)


def test_file_is_found_upwards_but_not_in_home(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(folder, "[run]\nseed = 7\n")
    below = folder / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert settings.find_file() == file
    assert settings.load().seed == 7
    monkeypatch.setenv("HOME", str(folder))
    assert settings.find_file() is None


def test_paths_in_the_file_start_at_its_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, '[backend]\nname = "recorded"\nrecording = "calls.jsonl"\nfleet = "pocket"\n')
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    options = settings.load().options()
    assert options.recording == str(folder / "calls.jsonl")
    assert options.fleet == "pocket"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[budget]\nmax_token = 3\n", "unknown key [budget] max_token; did you mean max_tokens?"),
        ("[budgets]\n", "unknown section [budgets]; did you mean budget?"),
        ("budget = 3\n", "budget is a section"),
        ('[budget]\nmax_tokens = "3"\n', "[budget] max_tokens: should be a valid integer"),
        ("[budget]\nmax_tokens = true\n", "[budget] max_tokens: should be a valid integer"),
        ("[budget]\nmax_cost = nan\n", "[budget] max_cost: should be a finite number"),
        ("[budget]\ntimeout = 0\n", "[budget] timeout: should be greater than 0, not 0"),
        ('[run]\nstrategy = "fast"\n', "[run] strategy: should be 'auto', 'direct' or 'plan'"),
        ("[run]\nseed = \n", "(at line 2, column 8)"),
        ('[backend]\napi_key = "s"\n', "api_key: set HARNESS_API_KEY instead"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name(folder: Path, text: str, says: str) -> None:
    file = write(folder, text)
    assert str(file) in refusal()
    assert says in refusal()


def test_a_file_that_is_not_text_is_refused(folder: Path) -> None:
    (folder / "harness.toml").write_bytes(b"\xff\xfe[")
    assert "is not UTF-8 text (byte 0)" in refusal()


def test_wrong_variables_and_flags_are_named(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert refusal({"max_calls": -1}) == "--max-calls: should be greater than 0, not -1"
    monkeypatch.setenv("HARNESS_MAX_CALLS", "abc")
    assert refusal() == "HARNESS_MAX_CALLS: should be a valid integer, not 'abc'"


def test_empty_variables_are_not_set(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("HARNESS_MAX_CALLS", "")
    assert settings.load().max_calls is None


def test_settings_that_do_not_go_together(folder: Path) -> None:
    assert "--recording FILE" in refusal({"backend": "recorded"})
    assert "overwrite" in refusal({"backend": "recorded", "recording": "a", "record": "./a"})
    assert "--base-url is for --backend openai" in refusal({"base_url": "http://x"})
    assert "without prices" in refusal({"backend": "openai", "max_cost": 1.0})


def test_api_key_comes_from_the_environment_and_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from-openai")
    assert settings.load().api_key == "from-openai"
    monkeypatch.setenv("HARNESS_API_KEY", "ours")
    found = settings.load()
    assert found.api_key == "ours"
    assert "ours" not in repr(found)
    assert "ours" not in found.options().model_dump_json()


def test_the_template_is_every_setting_at_its_default(folder: Path) -> None:
    assert tomllib.loads(template()) == {section: {} for section in settings.SECTIONS}
    bare = "\n".join(
        line[2:] if line.startswith("# ") and (" = " in line or line[2] == "[") else line
        for line in template().splitlines()
    )
    held = tomllib.loads(bare)
    for _, field, key in settings.places():
        assert held[key.section][key.name] == (
            field.default if field.default is not None else key.example
        )
    file = write(folder, bare)
    settings.read_file(file)
    in_file = {name for name, _, _ in settings.places()}
    assert set(Settings.model_fields) - in_file == {"api_key", "record", "specialists"}
    assert settings.read_file(file)["specialists"]["sql-lora"].domain == "code"
