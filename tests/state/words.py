"""A sentence embedder without a model: hashed words, so that texts are alike that share words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

DIMENSION = 384


class WordEmbedding:
    """Each word is a fixed random direction; a text is the sum of its words', of unit length."""

    name = "words"

    def __init__(self) -> None:
        self.texts: list[str] = []
        """Everything that was embedded, in order."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += texts
        rows = np.zeros((len(texts), DIMENSION), np.float32)
        for k, text in enumerate(texts):
            for word in re.findall(r"[a-z]+", text.lower()) or ["nothing"]:
                rng = np.random.default_rng(crc32(word.encode()))
                rows[k] += rng.standard_normal(DIMENSION).astype(np.float32)
            rows[k] /= np.linalg.norm(rows[k])
        return rows
