"""Keys and values of the rows of a batch, in buffers that are written in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

ROOM = 128
"""Columns that are allocated in advance."""


class InPlaceLayer(DynamicLayer):  # type: ignore[misc]
    """A layer's keys and values, (rows, heads, columns, width), as views of larger buffers.

    A step writes only its own column, and the last row overwrites a row that leaves.
    ``DynamicLayer`` copies everything at each step, which at a thousand columns takes as long as
    the attention.
    """

    keys: Tensor
    values: Tensor

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Append columns; returns all keys and all values."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._buffers = [F.pad(t, (0, 0, 0, ROOM)) for t in (key_states, value_states)]
            self.keys, self.values = key_states, value_states
            return self.keys, self.values
        rows, length = self.keys.shape[0], self.keys.shape[-2]
        end = length + key_states.shape[-2]
        if end > self._buffers[0].shape[-2]:
            self._buffers = [F.pad(t, (0, 0, 0, ROOM)) for t in (self.keys, self.values)]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:rows, :, length:end] = states
        self._view(rows, end)
        return self.keys, self.values

    def move(self, moves: Sequence[tuple[int, int]], rows: int) -> None:
        """Copy rows (from, to), then keep the first ``rows``."""
        length = self.keys.shape[-2]
        for source, target in moves:
            for buffer in self._buffers:
                buffer[target, :, :length] = buffer[source, :, :length]
        self._view(rows, length)

    def _view(self, rows: int, length: int) -> None:
        self.keys, self.values = (buffer[:rows, :, :length] for buffer in self._buffers)


def new_cache(config: Any) -> Any:
    """An empty cache for a model. Layers that do not keep every key (a sliding window, a state) use
    transformers' own classes."""
    cache = DynamicCache(config=config)
    if all(type(layer) is DynamicLayer for layer in cache.layers):
        cache.layers = [InPlaceLayer() for _ in cache.layers]
    return cache


def keep_rows(cache: Any, order: Sequence[int], device: torch.device) -> None:
    """Row ``order[k]`` becomes row k; the others are dropped. No kept row is copied more than once:
    ``order[k]`` is k, or a row beyond the kept ones."""
    moves = [(source, target) for target, source in enumerate(order) if source != target]
    index = None
    for layer in cache.layers:
        if isinstance(layer, InPlaceLayer):
            layer.move(moves, len(order))
        else:
            index = torch.tensor(order, device=device) if index is None else index
            layer.batch_select_indices(index)


def closed_up(kept: Sequence[int]) -> list[int]:
    """Kept row numbers, ascending, in an order that leaves as many as possible in place."""
    count = len(kept)
    movers = iter([k for k in reversed(kept) if k >= count])
    stay = {k for k in kept if k < count}
    return [k if k in stay else next(movers) for k in range(count)]
