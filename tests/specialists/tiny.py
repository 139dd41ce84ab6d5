"""A tiny random Llama and three adapters on it, built once per test process."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from specialists.backends import AdapterRef
from specialists.registry import Registry

TARGETS = {
    "alpha": (4, ["q_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]),
    "beta": (8, ["q_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]),
    "gamma": (4, ["q_proj", "v_proj"]),
}
"""Rank and target modules: batches mix ranks, and layers that not every adapter touches."""

CONTEXT = 256


@dataclass(frozen=True)
class Tiny:
    """Folder of the model and its fleet."""

    base: Path
    adapters: Path

    @property
    def refs(self) -> list[AdapterRef]:
        registry = Registry.load(self.adapters)
        return [registry.ref(name) for name in TARGETS]


@functools.cache
def tiny() -> Tiny:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    from specialists.pocket.tokenizer import save_tokenizer, train_tokenizer

    torch.set_num_threads(1)
    root = Path(tempfile.mkdtemp(prefix="hi-moe-tiny-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    tokenizer = train_tokenizer(examples=300)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=CONTEXT,
        initializer_range=0.4, bos_token_id=None, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(root / "base")
    save_tokenizer(tokenizer, root / "base")
    for seed, (name, (rank, modules)) in enumerate(TARGETS.items()):
        torch.manual_seed(seed + 1)
        model = LlamaForCausalLM.from_pretrained(root / "base", dtype=torch.float32)
        lora = LoraConfig(
            r=rank, lora_alpha=2 * rank, target_modules=modules, task_type="CAUSAL_LM"
        )
        adapted = get_peft_model(model, lora)
        for key, value in adapted.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(value, std=0.3)
        adapted.save_pretrained(root / "adapters" / name)
        Registry.write_card(
            root / "adapters" / name, root / "base", description=f"Does {name}.", domain="math",
            examples=[f"{name} one", f"{name} two"], metrics={"accuracy": 0.5},
        )  # fmt: skip
    return Tiny(root / "base", root / "adapters")
