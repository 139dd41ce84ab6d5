"""all-MiniLM-L6-v2 in NumPy: the sentence embedder without torch, for a few texts at a time.

Importing sentence-transformers costs more than ten seconds of processor time, but a run embeds only
a handful of short texts. This is the same model (BERT, Devlin et al. 2019, arXiv 1810.04805; mean
of the last layer's tokens, normalised), so its vectors agree with those of sentence-transformers to
1e-5.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LAYERS, HEADS, EPSILON = 6, 12, 1e-12
LONGEST = 256
"""Most tokens of a text that are read, as sentence-transformers is configured for this model."""


class MiniLM:
    """The model of a folder that holds its ``model.safetensors`` and ``tokenizer.json``."""

    def __init__(self, folder: Path) -> None:
        from safetensors.numpy import load_file
        from threadpoolctl import ThreadpoolController
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(LONGEST)
        self._tokenizer.enable_padding()
        self._weights: dict[str, Array] = load_file(folder / "model.safetensors")
        self._threads = ThreadpoolController()

    def embed(self, texts: Sequence[str], batch_size: int) -> Array:
        """Unit vectors (texts, 384); texts of similar length share a batch."""
        order = sorted(range(len(texts)), key=lambda k: len(texts[k]))
        found = np.empty((len(texts), 384), np.float32)
        # For texts this short, further threads of the matrix library only busy-wait.
        with self._threads.limit(limits=1, user_api="blas"):
            for start in range(0, len(order), batch_size):
                some = order[start : start + batch_size]
                found[some] = self._batch([texts[k] for k in some])
        return found

    def _batch(self, texts: Sequence[str]) -> Array:
        encoded = self._tokenizer.encode_batch(list(texts))
        ids = np.array([e.ids for e in encoded])
        mask = np.array([e.attention_mask for e in encoded], np.float32)
        w = self._weights
        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = x + w["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(x, "embeddings.LayerNorm")
        unseen = ((1.0 - mask) * np.float32(-1e9))[:, None, None, :]
        for layer in range(LAYERS):
            x = self._layer(x, unseen, f"encoder.layer.{layer}")
        mean = (x * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True), np.float32)

    def _layer(self, x: Array, unseen: Array, name: str) -> Array:
        q, k, v = (
            self._heads(self._linear(x, f"{name}.attention.self.{part}"))
            for part in ("query", "key", "value")
        )
        scores = q @ k.swapaxes(-1, -2) / np.float32(np.sqrt(q.shape[-1])) + unseen
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        seen = (scores / scores.sum(axis=-1, keepdims=True)) @ v
        joined = seen.swapaxes(1, 2).reshape(x.shape)
        attended = x + self._linear(joined, f"{name}.attention.output.dense")
        x = self._norm(attended, f"{name}.attention.output.LayerNorm")
        inner = gelu(self._linear(x, f"{name}.intermediate.dense"))
        return self._norm(
            x + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm"
        )

    def _linear(self, x: Array, name: str) -> Array:
        flat = x.reshape(-1, x.shape[-1]) @ self._weights[f"{name}.weight"].T
        out: Array = flat.reshape(*x.shape[:-1], -1) + self._weights[f"{name}.bias"]
        return out

    def _norm(self, x: Array, name: str) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + np.float32(EPSILON))
        out: Array = centred / scale * self._weights[f"{name}.weight"]
        return out + self._weights[f"{name}.bias"]

    @staticmethod
    def _heads(x: Array) -> Array:
        return x.reshape(*x.shape[:2], HEADS, -1).swapaxes(1, 2)


def gelu(x: Array) -> Array:
    """x · Φ(x), with erf to 1.5e-7 by Abramowitz and Stegun, 7.1.26. NumPy has no erf, and
    importing SciPy's costs more than it saves."""
    z = np.abs(x) * np.float32(np.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = np.zeros_like(t)
    for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + np.float32(factor)) * t
    out: Array = 0.5 * x * (1 + np.sign(x) * (1 - series * np.exp(-z * z)))
    return out
