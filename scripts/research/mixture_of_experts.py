"""Trains a small real mixture of experts, and compares learned routing with routing frozen into
tables.

The model is transformers' ``MixtralForCausalLM`` (Jiang et al. 2024, arXiv 2401.04088), trained on
text of the pocket domains with its own load-balancing loss. For each layer a table holds the mean
router logits of each token id over training text. Held-out perplexity is then measured with the
learned router, with tables alone, and with the adaptive core, one per layer, over the learned
router.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from specialists.pocket.domains import CELLS, held_out_examples, training_examples
from specialists.registry import BASE_FOLDER
from specialists.routing.var import PATHS, AdaptiveCore, AdaptiveSettings, TokenBucket

LAYERS, HIDDEN, EXPERTS, CHOSEN = 2, 96, 8, 2
LENGTH, BATCH = 128, 16
SHARES = {"math": 1.0, "decompose": 1.0, "code": 1.0, "explain": 1.0, "chain": 1.0}
RATE = 3e-3
HORIZON = 1000
"""Number of tokens in a window to which the cap applies."""

Ints = NDArray[np.int64]


def measure(
    steps: int, seed: int = 0, *, device: str = "cpu", log: Callable[[str], None] = print
) -> dict[str, Any]:
    """Train for ``steps`` batches and measure; PPL is per token of held-out text."""
    import torch

    torch.manual_seed(seed)
    tokens, vocabulary = _texts(seed, steps)
    train, held = tokens["train"], tokens["held"]
    model = _model(vocabulary).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    rng = np.random.default_rng(seed)
    for step in range(steps):
        starts = rng.integers(0, len(train) - LENGTH - 1, BATCH)
        batch = torch.tensor(np.stack([train[s : s + LENGTH] for s in starts]), device=device)
        loss = model(batch, labels=batch, output_router_logits=True).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step + 1 == steps:
            log(f"moe: step {step} of {steps}, loss {loss.item():.3f}")
    model.eval()
    gates = [layer.mlp.gate for layer in model.model.layers]
    cores = [
        AdaptiveCore(EXPERTS, AdaptiveSettings(temperature=1.0, horizon=HORIZON), seed)
        for _ in gates
    ]
    record = _Record(cores)
    learned_train = _perplexity(model, gates, train[: 40 * BATCH * LENGTH], record.gate, device)
    record.finish()
    learned = _perplexity(model, gates, held, None, device)
    tables = _Tables(cores, learn=False)
    frozen = _perplexity(model, gates, held, tables.gate, device)
    uncapped = copy.deepcopy(cores)
    for core in uncapped:
        core.bucket = TokenBucket(1.0)
        core.by_path[:] = 0
    earned = _perplexity(model, gates, held, _Tables(uncapped, learn=True).gate, device)
    spared = np.sum([core.by_path for core in uncapped], axis=0)
    adaptive = _Tables(cores, learn=True)
    for core in cores:
        core.by_path[:] = 0
    routed = _perplexity(model, gates, held, adaptive.gate, device)
    paths = np.sum([core.by_path for core in cores], axis=0)
    return {
        "steps": steps, "parameters": sum(p.numel() for p in model.parameters()),
        "held_out_tokens": len(held), "ppl_train_sample": learned_train, "ppl_learned": learned,
        "ppl_tables": frozen, "delta_tables": frozen / learned - 1,
        "ppl_earned": earned, "delta_earned": earned / learned - 1,
        "hit_rate_earned": float(spared[1] / spared.sum()),
        "ppl_adaptive": routed, "delta_adaptive": routed / learned - 1,
        "hit_rate_tables": tables.hits / max(1, tables.asked),
        "agreement_tables": tables.agreed / max(1, tables.asked),
        "agreement_adaptive": adaptive.agreed / max(1, adaptive.asked),
        "paths": dict(zip(PATHS, (paths / paths.sum()).tolist(), strict=True)),
        "eligible": [int(core.table.eligible.sum()) for core in cores],
    }  # fmt: skip


def _texts(seed: int, steps: int) -> tuple[dict[str, Ints], int]:
    from transformers import PreTrainedTokenizerFast

    tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(BASE_FOLDER, local_files_only=True)

    def ids(pairs: Sequence[tuple[str, str]]) -> Ints:
        rows = tokenizer([f"{p}\n{a}\n\n" for p, a in pairs], add_special_tokens=False)["input_ids"]
        return np.array([i for row in rows for i in row], dtype=np.int64)

    count = max(400, min(20_000, steps * 8))
    drawn = training_examples(SHARES, count, f"moe|{seed}")
    held = [
        e for domain in SHARES for cell in CELLS[domain]
        for e in held_out_examples(domain, cell, 12, seed)
    ]  # fmt: skip
    np.random.default_rng(seed).shuffle(held)
    made = {name: ids([(e.prompt, e.answer) for e in rows])
            for name, rows in (("train", drawn), ("held", held))}  # fmt: skip
    return made, len(tokenizer)


def _model(vocabulary: int) -> Any:
    from transformers import MixtralConfig, MixtralForCausalLM

    return MixtralForCausalLM(
        MixtralConfig(
            vocab_size=vocabulary, hidden_size=HIDDEN, intermediate_size=2 * HIDDEN,
            num_hidden_layers=LAYERS, num_attention_heads=4, num_key_value_heads=4,
            num_local_experts=EXPERTS, num_experts_per_tok=CHOSEN, router_aux_loss_coef=0.01,
            max_position_embeddings=LENGTH, tie_word_embeddings=True, bos_token_id=None,
            eos_token_id=None,
        )
    )  # fmt: skip


class _Record:
    """Feeds the learned router's logits on training text to the cores."""

    def __init__(self, cores: Sequence[AdaptiveCore]) -> None:
        self._cores = cores
        self._seen: list[list[tuple[Ints, NDArray[np.float64]]]] = [[] for _ in cores]

    def gate(self, layer: int, tokens: Ints, logits: Any) -> Any:
        self._seen[layer].append((tokens, logits.double().cpu().numpy()))
        return logits

    def finish(self) -> None:
        """Learn batch by batch: each batch is evidence about the predictions from the batches
        before."""
        for core, seen in zip(self._cores, self._seen, strict=True):
            for tokens, rows in seen:
                core.observe(tokens, rows)


class _Tables:
    """Replaces router logits by table rows; with ``learn``, as the adaptive core decides."""

    def __init__(self, cores: Sequence[AdaptiveCore], *, learn: bool) -> None:
        self._cores, self._learn = cores, learn
        self.asked = self.hits = self.agreed = 0

    def gate(self, layer: int, tokens: Ints, logits: Any) -> Any:
        import torch

        core, real = self._cores[layer], logits.double().cpu().numpy()
        if self._learn:
            plan = core.plan(tokens)
            rows = core.settle(plan, real[plan.need]).rows
        else:
            core.table.grow(int(tokens.max()) + 1)
            known = core.table.count[tokens] > 0
            rows = np.where(known[:, None], core.table.rows(tokens), real)
            self.hits += int(known.sum())
        self.asked += len(tokens)
        top, best = (np.sort(np.argsort(-r, axis=1)[:, :CHOSEN], axis=1) for r in (rows, real))
        self.agreed += int((top == best).all(axis=1).sum())
        return torch.from_numpy(rows).to(logits)


Gate = Callable[[int, Ints, Any], Any]


def _perplexity(
    model: Any, gates: Sequence[Any], text: Ints, gate: Gate | None, device: str
) -> float:
    """exp of the mean token loss, with ``gate(layer, token ids, logits)`` in the routers' place."""
    import torch

    current: list[Ints] = []
    hooks = [
        one.register_forward_hook(_replacing(layer, gate, current))
        for layer, one in enumerate(gates)
    ] if gate else []  # fmt: skip
    total, count = 0.0, 0
    try:
        with torch.inference_mode():
            for start in range(0, len(text) - LENGTH, LENGTH * BATCH):
                chunk = text[start : start + LENGTH * BATCH]
                rows = chunk[: len(chunk) // LENGTH * LENGTH].reshape(-1, LENGTH)
                if not len(rows):
                    break
                current[:] = [rows.ravel()]
                batch = torch.tensor(rows, device=device)
                loss = model(batch, labels=batch).loss
                total += float(loss) * rows.size
                count += rows.size
    finally:
        for hook in hooks:
            hook.remove()
    return math.exp(total / max(1, count))


def _replacing(layer: int, gate: Gate, current: list[Ints]) -> Callable[..., Any]:
    import torch

    def hook(module: Any, given: Any, found: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        logits = gate(layer, current[0], found[0])
        probabilities = torch.softmax(logits.float(), dim=-1)
        weights, chosen = torch.topk(probabilities, module.top_k, dim=-1)
        return logits, weights / weights.sum(dim=-1, keepdim=True), chosen

    return hook
