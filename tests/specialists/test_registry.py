"""Cards, digests and fit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from specialists.registry import Card, Registry, adapter_digest, base_digest, check_fit, read_card
from state import AdapterError, BackendUnavailable
from tests.specialists.tiny import TARGETS, tiny


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    shutil.copytree(tiny().adapters, tmp_path / "adapters")
    return tmp_path / "adapters"


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_a_fleet_is_read_with_its_facts(fleet: Path) -> None:
    registry = Registry.load(fleet)
    assert [card.name for card in registry.cards()] == sorted(TARGETS)
    card = registry.card("gamma")
    assert (card.rank, card.target_modules, card.status) == (4, ("q_proj", "v_proj"), "candidate")
    assert card.base == base_digest(tiny().base)
    ref = registry.ref("gamma")
    assert ref.digest == card.adapter == adapter_digest(fleet / "gamma")
    assert ref.served_name == f"gamma-{card.adapter}"
    assert registry.cards("promoted") == []


def test_unknown_names_and_folders(fleet: Path, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match=r"no specialist 'delta'.*alpha, beta, gamma"):
        Registry.load(fleet).ref("delta")
    with pytest.raises(AdapterError, match="no fleet at"):
        Registry.load(tmp_path / "nowhere")


def test_corrupted_weights_are_refused(fleet: Path) -> None:
    weights = fleet / "beta" / "adapter_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(AdapterError, match=r"beta: weights .* are not those of its card"):
        Registry.load(fleet)


def test_a_malformed_card_is_refused(fleet: Path) -> None:
    edit(fleet / "beta" / "card.json", max_tokens=0)
    with pytest.raises(AdapterError, match=r"card\.json is malformed: max_tokens"):
        Registry.load(fleet)
    (fleet / "beta" / "card.json").write_text("{")
    with pytest.raises(AdapterError, match="malformed"):
        Registry.load(fleet)
    shutil.copy(fleet / "alpha" / "card.json", fleet / "beta" / "card.json")
    with pytest.raises(AdapterError, match="card of 'alpha', not 'beta'"):
        Registry.load(fleet)


def test_a_specialist_by_prompt_is_a_card_without_an_adapter(fleet: Path) -> None:
    (fleet / "plain").mkdir()
    card = Card(name="plain", description="d", domain="math", system="Be brief.")
    (fleet / "plain" / "card.json").write_text(card.model_dump_json())
    registry = Registry.load(fleet)
    assert registry.card("plain") == card
    with pytest.raises(AdapterError, match="has no adapter"):
        registry.ref("plain")


def test_the_version_changes_with_the_fleet(fleet: Path) -> None:
    before = Registry.load(fleet).version
    assert Registry.load(fleet).version == before
    edit(fleet / "beta" / "card.json", status="promoted")
    assert Registry.load(fleet).version != before


def test_cards_are_frozen_and_written_whole(fleet: Path) -> None:
    card = Registry.write_card(
        fleet / "beta", tiny().base, description="d", domain="code", status="promoted", max_tokens=9
    )
    assert read_card(fleet / "beta") == card
    assert isinstance(card, Card)
    assert sorted(p.name for p in (fleet / "beta").iterdir() if "card" in p.name) == ["card.json"]


class TestFit:
    def test_what_was_trained_here_fits(self, fleet: Path) -> None:
        for name in TARGETS:
            check_fit(fleet / name, tiny().base)

    def test_another_base(self, fleet: Path, tmp_path: Path) -> None:
        shutil.copytree(tiny().base, tmp_path / "base")
        edit(tmp_path / "base" / "config.json", rope_theta=1.0)
        with pytest.raises(AdapterError, match="trained on base"):
            check_fit(fleet / "alpha", tmp_path / "base")
        with pytest.raises(BackendUnavailable, match="no base model"):
            check_fit(fleet / "alpha", tmp_path)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"r": 5}, "rank 5, its card says 4"),
            ({"use_dora": True}, "more than plain LoRA: it sets use_dora"),
            ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
            ({"bias": "all"}, "bias"),
            ({"peft_type": "IA3"}, "not a LoRA adapter"),
            ({"target_modules": ["q_proj"]}, "target modules are"),
        ],
    )
    def test_configurations(self, fleet: Path, changes: dict[str, Any], message: str) -> None:
        edit(fleet / "alpha" / "adapter_config.json", **changes)
        with pytest.raises(AdapterError, match=message):
            check_fit(fleet / "alpha", tiny().base)

    def test_shapes_and_names(self, fleet: Path) -> None:
        import torch
        from safetensors.torch import load_file, save_file

        file = fleet / "alpha" / "adapter_model.safetensors"
        weights = load_file(file)
        key = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
        for changed, message in [
            ({**weights, key: torch.zeros(4, 31)}, r"shape \(4, 31\), the base needs \(4, 32\)"),
            ({k: v for k, v in weights.items() if k != key}, "only one of its two"),
            (
                {k.replace("layers.0", "layers.9"): v for k, v in weights.items()},
                "has no linear module",
            ),
            ({**weights, "lm_head.weight": torch.zeros(2)}, "is not a LoRA matrix"),
            ({}, "no weights"),
        ]:
            save_file(changed, file)
            with pytest.raises(AdapterError, match=message):
                check_fit(fleet / "alpha", tiny().base)

    def test_cut_short(self, fleet: Path) -> None:
        file = fleet / "alpha" / "adapter_model.safetensors"
        data = file.read_bytes()
        for length in (4, 50, len(data) - 1):
            file.write_bytes(data[:length])
            with pytest.raises(AdapterError, match="cannot be read"):
                check_fit(fleet / "alpha", tiny().base)
        file.unlink()
        with pytest.raises(AdapterError, match=r"no adapter_model\.safetensors"):
            adapter_digest(fleet / "alpha")


@pytest.mark.slow
def test_importing_the_package_is_cheap() -> None:
    program = (
        "import sys, specialists; sys.exit(any(m in sys.modules for m in ('torch', 'pydantic')))"
    )
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
    assert time.monotonic() - began < 5
    program = (
        "import sys; from specialists import *; heavy = {'torch', 'transformers', 'openai', "
        "'sentence_transformers'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
