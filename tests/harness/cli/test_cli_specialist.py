"""``harness specialist add|remove|check`` as a user types them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.cli import main
from tests.specialists.tiny import tiny


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    folder = tmp_path / "sql-lora"
    shutil.copytree(tiny().adapters / "alpha", folder, ignore=shutil.ignore_patterns("card.json"))
    return folder


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny().base, tmp_path / "fleet" / "base")
    return tmp_path / "fleet"


def test_add_check_list_remove(
    plain: Path, fleet: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["specialist", "check", "--fleet", str(fleet)]) == 2
    assert "harness specialist add ADAPTER --fleet" in capsys.readouterr().err
    assert main(["specialist", "add", str(plain), "--fleet", str(fleet), "--domain", "code"]) == 0
    said = capsys.readouterr().out
    assert "added sql-lora" in said
    assert "--examples" in said
    assert main(["specialist", "check", "--fleet", str(fleet), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    monkeypatch.setenv("HARNESS_FLEET", str(fleet))
    assert main(["specialist", "show", "sql-lora", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["domain"] == "code"
    assert main(["specialist", "remove", "sql-lora"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert main(["specialist", "remove", "sql-lora", "--yes"]) == 0
    assert not (fleet / "adapters" / "sql-lora").exists()


def test_check_names_every_fault(
    plain: Path, fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        assert main(["specialist", "add", str(plain), "--fleet", str(fleet), "--name", name]) == 0
    (fleet / "adapters" / "one" / "adapter_model.safetensors").unlink()
    card = fleet / "adapters" / "two" / "card.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "adapter": None}))
    capsys.readouterr()
    assert main(["specialist", "check", "--fleet", str(fleet), "--json"]) == 4
    rows = json.loads(capsys.readouterr().out)["specialists"]
    assert [row["ok"] for row in rows] == [False, False]
    assert "weights beside it" in rows[1]["fault"]


def test_the_embedded_fleet_is_fixed_and_no_fleet_is_said(
    plain: Path, fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for given in ([], ["--fleet", "pocket"]):
        assert main(["specialist", "add", str(plain), *given]) == 2
        assert "the embedded fleet cannot be changed" in capsys.readouterr().err


def test_described_adapters_stand_in_the_settings_file(
    fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness import settings

    file = tmp_path / "harness.toml"
    file.write_text('[specialists.sql-lora]\ndescription = "Writes SQL."\nexamples = ["Count."]\n')
    options = settings.load().options()
    assert options.specialists["sql-lora"].description == "Writes SQL."
    file.write_text('[specialists.sql-lora]\ndescribtion = "Writes SQL."\n')
    assert main(["specialist", "list"]) == 2
    assert "specialists.sql-lora.describtion" in capsys.readouterr().err
