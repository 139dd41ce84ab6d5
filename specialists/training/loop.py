"""The training loop that all recipes on a causal LM share.

Answer-only loss, length-bucketed batches, bf16 autocast, Muon (Jordan 2024) for matrices and AdamW
for the rest or AdamW alone, a warm-up / constant / linear-decay schedule, a JSONL log, checkpoints
and resumption at a shard boundary. The data stream is a pure function of the seed and the shard
number, so a resumed run sees the same data as an uninterrupted one.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast

from specialists.pocket.domains import Example
from specialists.pocket.tokenizer import END, chat_text

IGNORE = -100
SORTED_TOGETHER = 512
"""Number of rows that are sorted by length together before they are split into batches."""


@dataclass(frozen=True)
class LoopConfig:
    """Settings of a training run: length, rates, batch sizes and files."""

    tokens: int
    """Training length in tokens seen, prompts included."""
    learning_rate: float
    """Peak rate of AdamW."""
    muon_rate: float | None = None
    """Peak rate of Muon on matrices; ``None`` trains everything with AdamW."""
    batch_tokens: int = 4096
    """Most padded tokens of a batch; a batch holds rows of similar length."""
    accumulate: int = 2
    """Batches for each optimizer step, because the rows of one batch have one length and so one
    kind of task."""
    shard_examples: int = 4096
    warmup: float = 0.02
    decay: float = 0.5
    """Last part of the run, as a share, over which the rate falls linearly to zero."""
    clip: float = 1.0
    tag: bool = False
    """Whether each prompt carries its domain as system message."""
    seed: int = 0
    device: str = "cpu"
    autocast: bool = True
    checkpoint_seconds: float = 300.0
    log_every: int = 20


def encode(
    tokenizer: PreTrainedTokenizerFast, examples: list[Example], *, tag: bool
) -> list[tuple[list[int], int]]:
    """(token ids with the final ``<|end|>``, length of the prompt) of each example."""
    prompts = [chat_text(e.prompt, e.domain if tag else None) for e in examples]
    answers = [e.answer + END for e in examples]
    heads = tokenizer(prompts, add_special_tokens=False)["input_ids"]
    tails = tokenizer(answers, add_special_tokens=False)["input_ids"]
    return [(h + t, len(h)) for h, t in zip(heads, tails, strict=True)]


def batches(
    rows: list[tuple[list[int], int]], batch_tokens: int, rng: random.Random
) -> Iterator[tuple[Tensor, Tensor, int]]:
    """(input ids, labels, tokens) padded to a multiple of 16; rows of similar length share a
    batch."""
    rng.shuffle(rows)
    groups: list[list[tuple[list[int], int]]] = [[]]
    for start in range(0, len(rows), SORTED_TOGETHER):
        # Sorting all rows would give each batch one length, and therefore one kind of task.
        for row in sorted(rows[start : start + SORTED_TOGETHER], key=lambda r: len(r[0])):
            if groups[-1] and (len(groups[-1]) + 1) * len(row[0]) > batch_tokens:
                groups.append([])
            groups[-1].append(row)
        groups.append([])
    groups = [g for g in groups if g]
    rng.shuffle(groups)
    for group in groups:
        width = -(-max(len(ids) for ids, _ in group) // 16) * 16
        ids = torch.zeros(len(group), width, dtype=torch.long)
        labels = torch.full((len(group), width), IGNORE, dtype=torch.long)
        for k, (tokens, start) in enumerate(group):
            ids[k, : len(tokens)] = torch.tensor(tokens)
            labels[k, start : len(tokens)] = ids[k, start : len(tokens)]
        yield ids, labels, sum(len(r) for r, _ in group)


def answer_loss(backbone: Any, head: Any, ids: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over answer tokens. Shapes: ids and labels (batch, length)."""
    hidden = backbone(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    wanted = labels[:, 1:]
    chosen = wanted != IGNORE
    return F.cross_entropy(head(hidden[chosen]).float(), wanted[chosen])


def _optimizers(model: nn.Module, config: LoopConfig) -> list[torch.optim.Optimizer]:
    trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    if config.muon_rate is None:
        params = [p for _, p in trained]
        return [
            torch.optim.AdamW(params, lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.0)
        ]
    matrices = [p for n, p in trained if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
    ids = {id(p) for p in matrices}
    rest = [p for _, p in trained if id(p) not in ids]
    return [
        torch.optim.Muon(matrices, lr=config.muon_rate, weight_decay=0.0, momentum=0.95),
        torch.optim.AdamW(rest, lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def rate_at(done: float, config: LoopConfig) -> float:
    """Share of the peak rate at progress ``done`` in [0, 1]."""
    if done < config.warmup:
        return max(done / config.warmup, 0.02)
    return min(1.0, max(0.0, (1 - done) / config.decay))


def _cut_log(file: Path, step: int) -> None:
    """Drop the rows after ``step``, because a resumed run writes them again."""
    if file.exists():
        rows = [r for r in file.read_text().splitlines() if json.loads(r)["step"] <= step]
        file.write_text("".join(r + "\n" for r in rows))


def train(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerFast,
    shard: Callable[[int], list[Example]],
    config: LoopConfig,
    folder: Path,
    *,
    extract: Callable[[nn.Module], dict[str, Tensor]],
    restore: Callable[[nn.Module, dict[str, Tensor]], Any],
    progress: Callable[[dict[str, float]], None] | None = None,
    backbone: Any = None,
) -> dict[str, float]:
    """Train ``model`` in place and return the last log row.

    ``shard(k)`` gives the k-th shard of examples; ``extract``/``restore`` say which tensors are the
    result; ``backbone`` is ``model.model``, compiled if desired (a minute or two at the start, then
    about twice the speed on two cores). Writes ``training_log.jsonl`` and ``checkpoint.pt`` under
    ``folder``; a checkpoint found there is resumed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    device = torch.device(config.device)
    model.to(device).train()
    optimizers = _optimizers(model, config)
    if backbone is None:
        backbone = model.model
    state = {"seen": 0, "step": 0, "shard": 0, "seconds": 0.0}
    saved = folder / "checkpoint.pt"
    if saved.exists():
        held = torch.load(saved, map_location=device, weights_only=True)
        state = held["state"]
        restore(model, held["weights"])
        for optimizer, values in zip(optimizers, held["optimizers"], strict=True):
            optimizer.load_state_dict(values)
    base_rates = [g["lr"] for o in optimizers for g in o.param_groups]
    if saved.exists():
        base_rates = held["rates"]
    _cut_log(folder / "training_log.jsonl", int(state["step"]))
    row: dict[str, float] = {}
    running, counted = torch.zeros(()), 0
    last_save = begun = time.monotonic()
    with (folder / "training_log.jsonl").open("a") as log:
        while state["seen"] < config.tokens:
            rng = random.Random(f"{config.seed}|batches|{state['shard']}")
            rows = encode(tokenizer, shard(int(state["shard"])), tag=config.tag)
            made = batches(rows, config.batch_tokens, rng)
            while together := list(islice(made, config.accumulate)):
                if state["seen"] >= config.tokens:
                    break
                share = rate_at(state["seen"] / config.tokens, config)
                groups = [g for o in optimizers for g in o.param_groups]
                for group, base in zip(groups, base_rates, strict=True):
                    group["lr"] = base * share
                for ids, labels, tokens in together:
                    with torch.autocast(device.type, torch.bfloat16, enabled=config.autocast):
                        loss = answer_loss(
                            backbone, model.lm_head, ids.to(device), labels.to(device)
                        )
                    (loss / len(together)).backward()  # type: ignore[no-untyped-call]
                    state["seen"] += tokens
                    running, counted = running + loss.detach().cpu(), counted + 1
                nn.utils.clip_grad_norm_([p for g in groups for p in g["params"]], config.clip)
                for optimizer in optimizers:
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=True)
                state["step"] += 1
                if state["step"] % config.log_every == 0 or state["seen"] >= config.tokens:
                    spent = state["seconds"] + time.monotonic() - begun
                    row = {
                        "step": state["step"], "tokens": state["seen"],
                        "loss": round(float(running) / counted, 5), "rate": round(share, 4),
                        "seconds": round(spent, 1),
                        "tokens_per_second": round(state["seen"] / max(spent, 1e-9)),
                    }  # fmt: skip
                    if not math.isfinite(row["loss"]):
                        raise FloatingPointError(f"loss is {row['loss']} at step {state['step']}")
                    log.write(json.dumps(row) + "\n")
                    log.flush()
                    if progress:
                        progress(row)
                    running, counted = torch.zeros(()), 0
            state["shard"] += 1
            if time.monotonic() - last_save > config.checkpoint_seconds:
                last_save = time.monotonic()
                held_state = {**state, "seconds": state["seconds"] + last_save - begun}
                part = saved.with_suffix(".part")
                torch.save(
                    {
                        "state": held_state, "rates": base_rates, "weights": extract(model),
                        "optimizers": [o.state_dict() for o in optimizers],
                    },
                    part,
                )  # fmt: skip
                part.replace(saved)
    saved.unlink(missing_ok=True)
    model.eval()
    return row
