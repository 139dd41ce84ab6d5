"""LoRA specialists: a recipe, trained on one frozen base, exported as a plain peft adapter.

Prompt tokens are masked from the loss, the end token is trained, rows of similar length share a
batch. The result is a candidate; ``scripts/evaluate_pocket.py`` contains the gate that promotes it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from specialists.pocket.domains import CELLS, Example, declined_examples, training_examples
from specialists.training.loop import LoopConfig, train
from state.errors import UsageError

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Recipe(BaseModel):
    """The training recipe of one adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    """Purpose of the specialist, for its card and for routing by similarity."""
    domain: str
    shares: dict[str, float]
    """Domain or ``domain/cell`` → share of the training examples."""
    declines: float = Field(default=0.0, ge=0, lt=1)
    """Further examples, as a share of the adapter's own: prompts of the other domains, to be
    declined."""
    control: bool = False
    """Whether the specialist is for comparison only; the dispatcher never routes to it."""
    tokens: int = Field(gt=0)
    """Training length in tokens, prompts included."""
    max_tokens: int = Field(default=256, gt=0)
    """Most tokens to request for an answer."""
    rank: int = Field(default=32, gt=0)
    alpha: int = Field(default=64, gt=0)
    learning_rate: float = Field(default=2e-3, gt=0)
    batch_tokens: int = Field(default=4096, gt=0)
    seed: int = 0


def read_recipes(file: Path) -> list[Recipe]:
    """The recipes of a YAML file. Raises ``UsageError`` naming file, recipe and field."""
    try:
        rows = yaml.safe_load(file.read_text(encoding="utf8"))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{file}{line}: not YAML") from None
    recipes = []
    for row in rows["recipes"]:
        try:
            recipe = Recipe.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise UsageError(f"{file}, recipe {row.get('name')}: {field}: {first['msg']}") from None
        for key in recipe.shares:
            domain, _, cell = key.partition("/")
            if domain not in CELLS or (cell and cell not in CELLS[domain]):
                raise UsageError(f"{file}, recipe {recipe.name}: no domain or cell {key!r}")
        recipes.append(recipe)
    return recipes


class LoraTrainer:
    """Trains adapters of one rank, one after the other, on one frozen base.

    The base is read, and with ``compile`` compiled, once for all adapters.
    """

    def __init__(
        self, base: Path, rank: int, alpha: int, *, device: str = "cpu", compile: bool = False
    ) -> None:
        from peft import LoraConfig, get_peft_model

        self.base, self.rank, self.alpha, self.device = base, rank, alpha, device
        self._tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
        frozen = LlamaForCausalLM.from_pretrained(
            base, dtype=torch.float32, attn_implementation="eager" if compile else "sdpa"
        )
        lora = LoraConfig(
            r=rank, lora_alpha=alpha, lora_dropout=0.0, bias="none",
            target_modules=list(PROJECTIONS), task_type="CAUSAL_LM",
        )  # fmt: skip
        self._wrapped = get_peft_model(frozen, lora)
        self._inner: Any = self._wrapped.get_base_model()
        self._backbone = torch.compile(self._inner.model, dynamic=True) if compile else None

    def train(
        self,
        recipe: Recipe,
        out: Path,
        work: Path,
        *,
        progress: Callable[[dict[str, float]], None] | None = None,
    ) -> dict[str, float]:
        """Train ``recipe`` from a fresh adapter and write a peft adapter folder at ``out``.

        Log and checkpoint are kept under ``work``; an interrupted training resumes from there.
        Returns the last log row.
        """
        torch.manual_seed(recipe.seed)
        for module in self._wrapped.modules():
            if hasattr(module, "reset_lora_parameters"):
                module.reset_lora_parameters("default", True)
        config = LoopConfig(
            tokens=recipe.tokens, learning_rate=recipe.learning_rate, decay=1.0,
            batch_tokens=recipe.batch_tokens, seed=recipe.seed, device=self.device,
        )  # fmt: skip

        def shard(k: int) -> list[Example]:
            seed = f"lora|{recipe.name}|{recipe.seed}|{k}"
            own = training_examples(recipe.shares, config.shard_examples, seed)
            foreign = round(recipe.declines * config.shard_examples)
            return own + declined_examples(recipe.domain, foreign, f"{seed}|declined")

        last = train(
            self._inner, self._tokenizer, shard, config, work,
            extract=lambda m: {
                n: p.detach().cpu() for n, p in m.named_parameters() if p.requires_grad
            },
            restore=lambda m, weights: m.load_state_dict(weights, strict=False),
            progress=progress, backbone=self._backbone,
        )  # fmt: skip
        self._write(recipe, out, work, last)
        return last

    def _write(self, recipe: Recipe, out: Path, work: Path, last: dict[str, float]) -> None:
        part = out.with_name(f".{out.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        self._wrapped.save_pretrained(part)
        (part / "README.md").unlink(missing_ok=True)
        config_file = part / "adapter_config.json"
        settings = json.loads(config_file.read_text())
        # peft writes the path of the base; the card's digest names the base on every machine.
        settings["base_model_name_or_path"] = "pocket"
        config_file.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
        weights = part / "adapter_model.safetensors"
        half = {k: v.to(torch.bfloat16).contiguous() for k, v in load_file(weights).items()}
        save_file(half, weights, metadata={"format": "pt"})
        (part / "recipe.json").write_text(
            json.dumps({**recipe.model_dump(), "last": last}, indent=1) + "\n"
        )
        shutil.copy(work / "training_log.jsonl", part / "training_log.jsonl")
        shutil.rmtree(out, ignore_errors=True)
        part.rename(out)
