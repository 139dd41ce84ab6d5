"""LoRA adapters of one base model, computed for a batch that mixes them.

peft's mixed batch loops over adapters in Python inside every layer. Here the A matrices of all
adapters in the batch are stacked in one matrix, the scaled B matrices are concatenated in another,
and a mask restricts each row to the columns of its own adapter. This takes two matrix products a
layer for any number of adapters (the batching of Punica, Chen et al. 2023, arXiv 2310.18547, for
ranks so small that computing the masked columns costs less than gathering).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from specialists.backends.base import AdapterRef
from specialists.registry import WEIGHTS_FILE, lora_scale
from state import AdapterError


class LoraBank:
    """Adapters in memory, added to the base model's linear layers by forward hooks.

    ``select`` says which adapter each row of the next forward passes belongs to. Not thread-safe:
    one thread runs the model.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._weights: dict[str, dict[str, tuple[Tensor, Tensor]]] = {}
        self._hooked: set[str] = set()
        self._packed: tuple[tuple[str, ...], dict[str, tuple[Tensor, Tensor, Tensor]]] = ((), {})
        self._masks: dict[str, Tensor | None] = {}

    def add(self, adapter: AdapterRef) -> None:
        """Read an adapter that has passed ``check_fit``. Raises ``AdapterError`` for NaN."""
        from safetensors.torch import load_file

        scale = lora_scale(adapter.folder)
        tensors = load_file(adapter.folder / WEIGHTS_FILE)
        parameter = next(self._model.parameters())
        layers: dict[str, tuple[Tensor, Tensor]] = {}
        for key in tensors:
            if not bool(torch.isfinite(tensors[key]).all()):
                raise AdapterError(f"{adapter.path}: {key} holds NaN or infinity")
            if key.endswith(".lora_A.weight"):
                down = tensors[key].float()
                up = tensors[key.replace(".lora_A.", ".lora_B.")].float() * scale
                module = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
                layers[module] = (down.to(parameter), up.to(parameter))
        for module in layers.keys() - self._hooked:
            layer = self._model.get_submodule(module)
            if not isinstance(layer, nn.Linear):
                raise AdapterError(
                    f"{adapter.path}: {module} is a {type(layer).__name__}, not a Linear"
                )
            layer.register_forward_hook(partial(self._apply, module))
            self._hooked.add(module)
        self._weights[adapter.digest] = layers

    def remove(self, digest: str) -> None:
        """Remove an adapter from memory."""
        del self._weights[digest]
        self._packed, self._masks = ((), {}), {}

    def clear(self) -> None:
        """Remove all adapters from memory."""
        self._weights.clear()
        self._packed, self._masks = ((), {}), {}

    def select(self, adapters: Sequence[str | None]) -> None:
        """Assign the rows of the next forward passes to adapters; ``None`` is the bare base."""
        chosen = tuple(sorted({a for a in adapters if a is not None}))
        if self._packed[0] != chosen:
            self._packed = (chosen, self._pack(chosen))
        rows = torch.tensor([chosen.index(a) if a is not None else -1 for a in adapters])
        alone = len(chosen) == 1 and None not in adapters
        shared: dict[tuple[int, ...], Tensor] = {}
        self._masks = {}
        for module, (down, _, owner) in self._packed[1].items():
            if alone:
                self._masks[module] = None
                continue
            key = tuple(owner.tolist())
            if key not in shared:
                shared[key] = (rows[:, None, None] == owner).to(down)
            self._masks[module] = shared[key]

    def _pack(self, chosen: tuple[str, ...]) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """Module → A (sum of ranks, inputs), B (outputs, sum of ranks), owner of each column."""
        packed = {}
        for module in sorted({m for a in chosen for m in self._weights[a]}):
            parts = [
                (k, *self._weights[a][module])
                for k, a in enumerate(chosen)
                if module in self._weights[a]
            ]
            packed[module] = (
                torch.cat([down for _, down, _ in parts]),
                torch.cat([up for _, _, up in parts], dim=1),
                torch.cat([torch.full((down.shape[0],), k) for k, down, _ in parts]),
            )
        return packed

    def _apply(
        self, module: str, layer: nn.Module, args: tuple[Any, ...], output: Tensor
    ) -> Tensor:
        if module not in self._masks:
            return output
        down, up, _ = self._packed[1][module]
        low = F.linear(args[0], down)
        mask = self._masks[module]
        if mask is not None:
            low = low * mask
        width = output.shape[-1]
        return torch.addmm(output.view(-1, width), low.view(-1, low.shape[-1]), up.t()).view_as(
            output
        )
