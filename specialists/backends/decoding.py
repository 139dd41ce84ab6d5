"""The decode loop: generates one token for each row of a batch at each step, each row under its
adapter.

Rows have their own sampling, random stream, stop strings and length, and leave the batch when done.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from specialists.backends.base import Sampling
from specialists.backends.kv_cache import closed_up, keep_rows, new_cache


def _never() -> bool:
    return False


def _nothing() -> None:
    pass


@dataclass(eq=False)
class Row:
    """One prompt while it is decoded."""

    prompt: list[int]
    adapter: str | None
    sampling: Sampling
    cancelled: Callable[[], bool] = _never
    """Called at every step; a row for which it returns true leaves the batch."""
    finished: Callable[[], None] = _nothing
    """Called when the row is complete, while its batch may go on."""
    tokens: list[int] = field(default_factory=list)
    """Token ids generated so far, the end token included."""
    text: str = ""
    finish: Literal["stop", "length", "cancelled"] = "length"
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.sampling.seed)


def choose(logits: Tensor, rows: Sequence[Row]) -> list[int]:
    """Next token of each row: greedy, or nucleus sampling (Holtzman et al. 2020).

    ``logits`` has the shape (rows, vocabulary). A sampled row draws one number a step, so its
    result does not depend on the other rows.
    """
    tokens: list[int] = logits.argmax(dim=-1).tolist()
    drawn = [k for k, row in enumerate(rows) if row.sampling.temperature > 0]
    if drawn:
        heat = torch.tensor([rows[k].sampling.temperature for k in drawn], dtype=torch.float64)
        top_p = torch.tensor([rows[k].sampling.top_p for k in drawn], dtype=torch.float64)
        point = torch.tensor([rows[k].rng.random() for k in drawn], dtype=torch.float64)
        chosen = logits[drawn].double().cpu() / heat[:, None]
        shares, order = torch.softmax(chosen, dim=-1).sort(dim=-1, descending=True, stable=True)
        before = shares.cumsum(dim=-1) - shares
        shares = shares * (before < top_p[:, None])
        ends = shares.cumsum(dim=-1)
        place = (ends <= point[:, None] * ends[:, -1:]).sum(dim=-1)
        place = place.clamp(max=(shares > 0).sum(dim=-1) - 1)
        for k, token in zip(drawn, order.gather(1, place[:, None])[:, 0].tolist(), strict=True):
            tokens[k] = token
    return tokens


def _ended(row: Row, end_ids: frozenset[int], tokenizer: Any) -> bool:
    """Whether the row is done; if so, its text and finish reason are set."""
    sampling = row.sampling
    if row.tokens[-1] in end_ids:
        row.finish = "stop"
        row.text = tokenizer.decode(row.tokens[:-1], skip_special_tokens=True)
        return True
    if sampling.stop:
        # A token holds at least one byte, so this tail covers a stop string that has just been
        # completed.
        tail = max(len(s.encode()) for s in sampling.stop) + 8
        recent = tokenizer.decode(row.tokens[-tail:], skip_special_tokens=True)
        if any(s in recent for s in sampling.stop):
            text = tokenizer.decode(row.tokens, skip_special_tokens=True)
            places = [text.find(s) for s in sampling.stop if s in text]
            if places:
                row.finish, row.text = "stop", text[: min(places)]
                return True
    if len(row.tokens) < sampling.max_tokens:
        return False
    row.text = tokenizer.decode(row.tokens, skip_special_tokens=True)
    return True


@torch.inference_mode()
def decode(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Row],
    select: Callable[[Sequence[str | None]], None],
    end_ids: frozenset[int],
) -> None:
    """Complete ``rows`` in place. ``select`` is called with the adapters of the rows in the batch.

    Prompts are padded on the left; positions count from each row's first real token.
    """
    live = list(rows)
    width = max(len(row.prompt) for row in live)
    device = model.device
    ids = torch.tensor([[0] * (width - len(r.prompt)) + r.prompt for r in live], device=device)
    mask = torch.tensor(
        [[0] * (width - len(r.prompt)) + [1] * len(r.prompt) for r in live], device=device
    )
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache = new_cache(model.config)
    select([row.adapter for row in live])
    while True:
        logits = model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache,
            use_cache=True, logits_to_keep=1,
        ).logits[:, -1]  # fmt: skip
        keep = []
        for k, (row, token) in enumerate(zip(live, choose(logits, live), strict=True)):
            if row.cancelled():
                row.finish = "cancelled"
                continue
            row.tokens.append(token)
            if _ended(row, end_ids, tokenizer):
                row.finished()
            else:
                keep.append(k)
        if not keep:
            break
        positions = positions[:, -1:] + 1
        if len(keep) < len(live):
            order = closed_up(keep)
            live = [live[k] for k in order]
            keep_rows(cache, order, device)
            index = torch.tensor(order, device=device)
            mask, positions = mask[index], positions[index]
            select([row.adapter for row in live])
        ids = torch.tensor([[row.tokens[-1]] for row in live], device=device)
        mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=1)


@torch.inference_mode()
def log_probs(
    model: Any,
    rows: Sequence[tuple[list[int], list[int], str | None]],
    select: Callable[[Sequence[str | None]], None],
) -> list[tuple[float, ...]]:
    """Natural log-probability of each text token, for rows (prompt ids, text ids, adapter).

    Rows are padded on the right, which does not affect a causal model.
    """
    width = max(len(prompt) + len(text) for prompt, text, _ in rows)
    ids = torch.tensor(
        [[*p, *t, *[0] * (width - len(p) - len(t))] for p, t, _ in rows], device=model.device
    )
    select([adapter for _, _, adapter in rows])
    logits = model(input_ids=ids, use_cache=False).logits
    scored: list[tuple[float, ...]] = []
    for k, (prompt, text, _) in enumerate(rows):
        if not text:
            scored.append(())
            continue
        span = logits[k, len(prompt) - 1 : len(prompt) + len(text) - 1].float().log_softmax(dim=-1)
        wanted = torch.tensor(text, device=span.device)
        scored.append(tuple(span.gather(1, wanted[:, None])[:, 0].tolist()))
    return scored
