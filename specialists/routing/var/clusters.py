"""Clusters of tasks: a task joins the nearest leader, or becomes one (the leader algorithm,
Hartigan 1975)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from specialists.routing.embedder import Vectors


class Clusters:
    """Leaders among unit vectors. A vector whose cosine to all leaders is below ``radius`` leads a
    new cluster.

    With ``limit`` clusters, every further vector joins the nearest leader. Distances are one matrix
    product on ``device`` (``cpu``, ``cuda``).
    """

    def __init__(self, radius: float = 0.6, limit: int = 512, device: str = "cpu") -> None:
        self.radius, self.limit, self.device = radius, limit, device
        self.leaders: Vectors = np.zeros((0, 0), dtype=np.float32)
        self._held: Any = None

    def __len__(self) -> int:
        return len(self.leaders)

    def assign(self, vectors: Vectors) -> NDArray[np.int64]:
        """Cluster (N,) of each unit vector (N, dimension); leaders may be added on the way."""
        if not len(vectors):
            return np.zeros(0, dtype=np.int64)
        nearest, cosine = self.nearest(vectors)
        before = len(self.leaders)
        for k in np.flatnonzero(cosine < self.radius):
            near = self.leaders[before:] @ vectors[k] if len(self.leaders) > before else None
            if near is not None and near.max() > cosine[k]:
                nearest[k], cosine[k] = before + int(near.argmax()), near.max()
            if cosine[k] < self.radius and len(self.leaders) < self.limit:
                nearest[k] = len(self.leaders)
                self._add(vectors[k])
        return nearest

    def _add(self, vector: Vectors) -> None:
        row = vector[None].astype(np.float32)
        self.leaders = np.concatenate([self.leaders, row]) if len(self.leaders) else row
        self._held = None

    def nearest(self, vectors: Vectors) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Nearest leader (N,) and the cosine to it; 0 and −2 while there is none."""
        if not len(self.leaders):
            return np.zeros(len(vectors), dtype=np.int64), np.full(len(vectors), -2.0, np.float32)
        import torch

        if self._held is None:
            self._held = torch.from_numpy(self.leaders).to(self.device).T
        with torch.inference_mode():
            asked = torch.from_numpy(np.ascontiguousarray(vectors)).to(self.device)
            cosine, nearest = (asked @ self._held).max(dim=1)
        return nearest.cpu().numpy().copy(), cosine.cpu().numpy().copy()

    def restore(self, leaders: Vectors) -> None:
        """Replace the leaders by these (clusters, dimension)."""
        self.leaders, self._held = np.array(leaders, dtype=np.float32), None
