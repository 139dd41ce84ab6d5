"""The exported rows are what trainers read: trl's, and a plain step with peft."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from harness import routing, wiring
from tests.harness.conftest import Cli
from tests.harness.exported_runs import garden, rows, stories
from tests.oracle import by_form
from tests.state.words import WordEmbedding

BASE = Path(__file__).parents[2] / "specialists" / "pocket" / "weights" / "base"
STEP = {
    "max_steps": 1, "per_device_train_batch_size": 2, "report_to": [], "use_cpu": True,
    "bf16": False, "learning_rate": 1e-2, "save_strategy": "no", "disable_tqdm": True,
}  # fmt: skip


@pytest.fixture
def files(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Kind → file of its rows."""
    monkeypatch.setattr(routing, "open_router", by_form)
    monkeypatch.setattr(wiring, "open_embedding", lambda embedder: WordEmbedding())
    stories()
    garden()
    made = {}
    for kind in ("sft", "dpo", "repair"):
        made[kind] = f"{kind}.jsonl"
        assert cli("export", kind, "-o", made[kind], "--split", "all").code == 0
    return made


@pytest.fixture
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(BASE)


@pytest.fixture
def model(tokenizer: Any, tmp_path: Path) -> Any:
    """A tiny Llama with random weights, from a folder: DPO loads its reference from there."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=1024,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path / "model")
    return LlamaForCausalLM.from_pretrained(tmp_path / "model")


def changed(model: Any, before: dict[str, torch.Tensor]) -> bool:
    """Whether training moved any weight, and none to where no number is."""
    after = model.state_dict()
    assert all(bool(v.isfinite().all()) for v in after.values())
    return any(not torch.equal(v, after[k]) for k, v in before.items())


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in model.state_dict().items()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sft", "repair"])
def test_trl_trains_on_messages(
    kind: str, files: dict[str, str], model: Any, tokenizer: Any, tmp_path: Path
) -> None:
    trl = pytest.importorskip("trl")
    datasets = pytest.importorskip("datasets")
    data = datasets.load_dataset(
        "json", data_files=files[kind], split="train", cache_dir=str(tmp_path / "cache")
    )
    assert set(data.column_names) == {"messages", "meta"}
    before = weights(model)
    trainer = trl.SFTTrainer(
        model=model, args=trl.SFTConfig(output_dir=str(tmp_path / "out"), **STEP),
        train_dataset=data.select_columns(["messages"]), processing_class=tokenizer,
    )  # fmt: skip
    trainer.train()
    assert changed(model, before)


@pytest.mark.slow
def test_trl_prefers_the_verified_answer(
    files: dict[str, str], model: Any, tokenizer: Any, tmp_path: Path
) -> None:
    trl = pytest.importorskip("trl")
    datasets = pytest.importorskip("datasets")
    data = datasets.load_dataset(
        "json", data_files=files["dpo"], split="train", cache_dir=str(tmp_path / "cache")
    )
    before = weights(model)
    trainer = trl.DPOTrainer(
        model=model, args=trl.DPOConfig(output_dir=str(tmp_path / "out"), **STEP),
        train_dataset=data.select_columns(["prompt", "chosen", "rejected"]),
        processing_class=tokenizer,
    )  # fmt: skip
    trainer.train()
    assert changed(model, before)


@pytest.mark.slow
def test_a_plain_step_with_peft_lowers_the_loss(
    files: dict[str, str], model: Any, tokenizer: Any
) -> None:
    lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "up_proj"], task_type="CAUSAL_LM")
    adapted = get_peft_model(model, lora)
    chats = [row["messages"] for row in rows(files["sft"])[:4]]
    batch = tokenizer.apply_chat_template(
        chats, tokenize=True, return_dict=True, return_tensors="pt", padding=True
    )
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW(adapted.parameters(), lr=1e-2)
    losses = []
    for _ in range(3):
        loss = adapted(**batch, labels=labels).loss
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0]
