"""Plain peft adapters enter a fleet, are checked there, and leave it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from specialists.admission import add, examine, read_examples, remove
from specialists.registry import (
    BASE_FOLDER,
    Registry,
    adapter_digest,
    base_digest,
    check_fit,
    read_card,
)
from state import AdapterError, UsageError
from tests.specialists.tiny import tiny


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """An adapter as peft saves it: no card."""
    folder = tmp_path / "sql-lora"
    shutil.copytree(tiny().adapters / "alpha", folder, ignore=shutil.ignore_patterns("card.json"))
    return folder


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    shutil.copytree(tiny().base, tmp_path / "fleet" / "base")
    return tmp_path / "fleet"


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_a_plain_adapter_gets_its_card_from_its_own_files(plain: Path, fleet: Path) -> None:
    card = add(plain, fleet)
    assert (card.name, card.domain, card.rank) == ("sql-lora", "sql-lora", 4)
    assert card.adapter == adapter_digest(plain)
    assert card.base == base_digest(fleet / "base")
    assert "q_proj" in card.target_modules
    assert Registry.load(fleet / "adapters").cards() == [card]
    check_fit(fleet / "adapters" / "sql-lora", fleet / "base")
    assert not (plain / "card.json").exists(), "the user's own folder is left alone"
    assert examine(fleet) == [("sql-lora", None)]


def test_an_adapter_that_lies_in_the_fleet_gets_its_card_there(plain: Path, fleet: Path) -> None:
    there = fleet / "adapters" / "sql-lora"
    shutil.copytree(plain, there)
    with pytest.raises(AdapterError, match="without a card: `harness specialist add"):
        Registry.load(fleet / "adapters")
    first = add(there, fleet, description="Writes SQL.", examples=["Count the rows."])
    again = add(there, fleet, domain="code")
    assert (again.description, again.examples) == (first.description, first.examples)
    assert again.domain == "code"
    assert sorted(p.name for p in fleet.joinpath("adapters").iterdir()) == ["sql-lora"]


def test_what_does_not_fit_changes_nothing(plain: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(BASE_FOLDER, other / "base")
    with pytest.raises(AdapterError, match="the base needs"):
        add(plain, other)
    assert not (other / "adapters").exists()
    there = other / "adapters" / "mine"
    shutil.copytree(tiny().adapters / "alpha", there)
    before = (there / "card.json").read_bytes()
    with pytest.raises(AdapterError, match="the base needs"):
        add(there, other, name="mine")
    assert (there / "card.json").read_bytes() == before


def test_without_a_base_the_card_leaves_it_open(plain: Path, fleet: Path, tmp_path: Path) -> None:
    served = tmp_path / "served"
    assert add(plain, served).base is None
    shutil.copytree(tiny().base, served / "base")
    folder = served / "adapters" / "sql-lora"
    with pytest.raises(AdapterError, match="names no base model: `harness specialist add"):
        check_fit(folder, served / "base")
    assert add(folder, served).base == base_digest(fleet / "base")
    check_fit(folder, served / "base")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: (f / "adapter_config.json").unlink(), "cannot be read"),
        (lambda f: (f / "adapter_config.json").write_text("[]"), "not a JSON object"),
        (lambda f: edit(f / "adapter_config.json", peft_type="IA3"), "not a LoRA adapter"),
        (lambda f: edit(f / "adapter_config.json", use_dora=True), "more than plain LoRA"),
        (lambda f: edit(f / "adapter_config.json", r=8), "its rank is 8"),
        (
            lambda f: (f / "adapter_model.safetensors").rename(f / "adapter_model.bin"),
            r"adapter_model\.bin, and only adapter_model\.safetensors is read",
        ),
        (lambda f: (f / "adapter_model.safetensors").unlink(), "has no adapter_model.safetensors"),
        (lambda f: (f / "adapter_model.safetensors").write_bytes(b"x"), "cut short"),
    ],
)
def test_what_is_no_plain_adapter_is_refused_in_one_line(
    plain: Path, tmp_path: Path, spoil: Any, says: str
) -> None:
    spoil(plain)
    with pytest.raises(AdapterError, match=says) as caught:
        add(plain, tmp_path / "served")
    assert "\n" not in str(caught.value)


def test_names_are_safe_and_taken_once(plain: Path, fleet: Path) -> None:
    for name in ("../up", "a b", "", ".hidden", "a/b"):
        if name:
            with pytest.raises(UsageError, match="--name"):
                add(plain, fleet, name=name)
    add(plain, fleet)
    with pytest.raises(UsageError, match="has a specialist 'sql-lora'"):
        add(plain, fleet)
    assert add(plain, fleet, name="second").name == "second"


def test_remove_takes_the_folder_and_names_those_there_are(plain: Path, fleet: Path) -> None:
    add(plain, fleet)
    for name in ("nobody", "..", "../base"):
        with pytest.raises(UsageError, match="known: sql-lora"):
            remove(fleet, name)
    remove(fleet, "sql-lora")
    assert (fleet / "base").is_dir()
    assert examine(fleet) == []


def test_remove_leaves_what_a_link_points_at(plain: Path, fleet: Path) -> None:
    add(plain, fleet)
    home = fleet / "adapters" / "sql-lora"
    elsewhere = home.rename(plain.parent / "elsewhere")
    home.symlink_to(elsewhere, target_is_directory=True)
    remove(fleet, "sql-lora")
    assert examine(fleet) == []
    assert (elsewhere / "card.json").is_file()


def test_weights_and_card_must_name_each_other(plain: Path, fleet: Path) -> None:
    add(plain, fleet)
    home = fleet / "adapters" / "sql-lora"
    edit(home / "card.json", adapter=None)
    with pytest.raises(AdapterError, match="names no adapter, but there are weights beside it"):
        Registry.load(fleet / "adapters")
    edit(home / "card.json", adapter="served:sql-lora")
    with pytest.raises(AdapterError, match=r"harness\.toml"):
        Registry.load(fleet / "adapters")
    edit(home / "card.json", adapter=adapter_digest(home))
    (home / "adapter_config.json").unlink()
    (home / "adapter_model.safetensors").rename(home / "weights.away")
    with pytest.raises(AdapterError, match="the weights are not there"):
        Registry.load(fleet / "adapters")
    assert "the weights are not there" in str(examine(fleet)[0][1])
    edit(home / "card.json", adapter=None)
    assert Registry.load(fleet / "adapters").card("sql-lora").adapter is None


def test_pickled_weights_beside_a_card_without_digest_are_not_ignored(
    plain: Path, fleet: Path
) -> None:
    add(plain, fleet)
    home = fleet / "adapters" / "sql-lora"
    edit(home / "card.json", adapter=None)
    (home / "adapter_config.json").unlink()
    (home / "adapter_model.safetensors").rename(home / "adapter_model.bin")
    with pytest.raises(AdapterError, match="there are weights beside it"):
        Registry.load(fleet / "adapters")


def test_the_description_is_the_model_card_s_first_sentence(plain: Path, fleet: Path) -> None:
    (plain / "README.md").write_text(
        "---\nbase_model: x\nlibrary_name: peft\n---\n# Model Card\n<!-- none -->\n\n"
        "Translates questions into SQL queries.\n"
    )
    assert add(plain, fleet).description == "Translates questions into SQL queries."


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "one\n\n two \n"),
        ("a.json", '["one", {"question": "two"}]'),
        ("a.jsonl", '{"prompt": "one"}\n{"messages": [{"role": "user", "content": "two"}]}\n'),
        ("bom.txt", "\ufeffone\ntwo"),
    ],
)
def test_examples_are_read_from_the_usual_files(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    assert read_examples(tmp_path / name) == ("one", "two")


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.txt", "\n"), ("a.json", "{}"), ("a.json", "["), ("a.jsonl", '{"answer": 1}\n')],
)
def test_examples_that_are_none_say_so(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match="--examples"):
        read_examples(tmp_path / name)
    with pytest.raises(UsageError, match="cannot be read"):
        read_examples(tmp_path / "nowhere.txt")


def test_the_card_of_a_trained_specialist_travels_with_it(fleet: Path) -> None:
    card = add(tiny().adapters / "beta", fleet, name="renamed")
    trained = read_card(tiny().adapters / "beta")
    assert card == trained.model_copy(update={"name": "renamed"})
