"""The whole recipe in small: base from scratch, adapters on it, a fleet that serves; and resumption."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from specialists.backends.base import GenerateRequest, Message, Sampling
from specialists.backends.local import LocalBackend
from specialists.pocket.domains import training_examples
from specialists.pocket.tokenizer import chat_text, train_tokenizer
from specialists.registry import Registry
from specialists.training.loop import LoopConfig, rate_at, train
from specialists.training.lora import read_recipes
from state.errors import UsageError

ROOT = Path(__file__).parent.parent.parent
SMALL = ["--width", "32", "--layers", "2", "--heads", "2", "--ffn", "64", "--batch-tokens", "2048"]


def run(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_recipe_from_nothing_to_a_serving_fleet(tmp_path: Path) -> None:
    base, adapters = tmp_path / "base", tmp_path / "adapters"
    run(
        "scripts/pretrain_pocket.py", "--out", str(base), "--work", str(tmp_path / "w"),
        "--tokens", "40000", *SMALL,
    )  # fmt: skip
    run(
        "scripts/train_fleet.py", "math", "split", "--base", str(base), "--out", str(adapters),
        "--work", str(tmp_path / "lw"), "--tokens", "4000",
    )  # fmt: skip
    log = [json.loads(row) for row in (base / "training_log.jsonl").read_text().splitlines()]
    assert log[-1]["tokens"] >= 40000
    assert log[-1]["loss"] < 7.0
    assert (base / "model.safetensors").stat().st_size < 1_000_000
    registry = Registry.load(adapters)
    assert {c.name for c in registry.cards()} == {"math", "split"}

    async def ask() -> str:
        backend = LocalBackend(base, threads=1)
        await backend.load(registry.ref("math"))
        request = GenerateRequest(
            messages=(Message(role="user", content="1 + 2"),),
            adapter=registry.card("math").adapter, sampling=Sampling(max_tokens=4),
        )  # fmt: skip
        (answer,) = await backend.generate([request])
        await backend.close()
        return str(answer.adapter)

    assert asyncio.run(ask()) == registry.card("math").adapter
    plain = AutoTokenizer.from_pretrained(base)
    messages = [{"role": "system", "content": "math"}, {"role": "user", "content": "12 + 305"}]
    text = plain.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert text == chat_text("12 + 305", "math")
    assert plain.tokenize("12 + 305") == ["1", "2", "Ġ+", "Ġ", "3", "0", "5"]
    assert AutoModelForCausalLM.from_pretrained(base).config.model_type == "llama"


class Stop(Exception):
    """Stands for a crash."""


@pytest.mark.slow
def test_a_resumed_training_ends_in_the_same_weights(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(200)
    config = LoopConfig(
        tokens=24_000, learning_rate=1e-3, muon_rate=0.01, batch_tokens=1024, shard_examples=48,
        checkpoint_seconds=0.0, log_every=1, autocast=False,
    )  # fmt: skip

    def model() -> LlamaForCausalLM:
        torch.manual_seed(0)
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=1024, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                num_key_value_heads=2, intermediate_size=48, tie_word_embeddings=True,
            )
        )  # fmt: skip

    def go(found: Any, folder: Path, progress: Any = None) -> None:
        train(
            found, tokenizer,
            lambda k: training_examples({"math": 1.0, "split": 1.0}, 48, f"t|{k}"), config, folder,
            extract=lambda m: {k: v.clone() for k, v in m.state_dict().items()},
            restore=lambda m, w: m.load_state_dict(w), progress=progress,
        )  # fmt: skip

    whole, broken = model(), model()
    go(whole, tmp_path / "whole")

    def crash(row: dict[str, float]) -> None:
        if row["tokens"] > 12_000:
            raise Stop

    with pytest.raises(Stop):
        go(broken, tmp_path / "broken", crash)
    resumed = model()
    go(resumed, tmp_path / "broken")
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, msg=name)
    logs = [
        [
            json.loads(r)["step"]
            for r in (tmp_path / f / "training_log.jsonl").read_text().split("\n")
            if r
        ]
        for f in ("whole", "broken")
    ]
    assert logs[0] == logs[1]


def test_the_rate_warms_up_stays_and_falls() -> None:
    config = replace(LoopConfig(tokens=1, learning_rate=1.0), warmup=0.1, decay=0.5)
    assert rate_at(0.05, config) == pytest.approx(0.5)
    assert rate_at(0.3, config) == 1.0
    assert rate_at(0.75, config) == pytest.approx(0.5)
    assert rate_at(1.0, config) == 0.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("recipes: [", "line 2"),
        (
            "recipes:\n  - {name: x, description: d, domain: x, shares: {nope: 1}, tokens: 5}",
            "nope",
        ),
        ("recipes:\n  - {name: x, description: d, domain: x, shares: {}, tokens: 0}", "tokens"),
        ("recipes:\n  - {name: x}", "recipe x"),
    ],
)
def test_a_bad_recipe_is_one_line(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(text + "\n")
    with pytest.raises(UsageError, match=says) as caught:
        read_recipes(file)
    assert "\n" not in str(caught.value)
