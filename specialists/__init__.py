"""Adapters and their cards, the backends that run them, and the routing and training of
specialists.

Names are imported on first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from specialists.backends import (
        AdapterRef,
        Backend,
        GenerateRequest,
        GenerateResponse,
        LocalBackend,
        Message,
        OpenAICompatibleBackend,
        RecordedBackend,
        Sampling,
        ScoredText,
        Usage,
    )
    from specialists.registry import (
        ADAPTERS_FOLDER,
        BASE_FOLDER,
        Card,
        Registry,
        adapter_digest,
        base_digest,
        check_fit,
    )
    from specialists.routing import (
        Decision,
        Embedder,
        EmbeddingScorer,
        EmbeddingWeights,
        Policy,
        Scorer,
        WinnerTakeAll,
    )

_ROOMS = {
    "specialists.backends": (
        "AdapterRef", "Backend", "GenerateRequest", "GenerateResponse", "LocalBackend", "Message",
        "OpenAICompatibleBackend", "RecordedBackend", "Sampling", "ScoredText", "Usage",
    ),
    "specialists.registry": (
        "ADAPTERS_FOLDER", "BASE_FOLDER", "Card", "Registry", "adapter_digest", "base_digest",
        "check_fit",
    ),
    "specialists.routing": (
        "Decision", "Embedder", "EmbeddingScorer", "EmbeddingWeights", "Policy", "Scorer",
        "WinnerTakeAll",
    ),
}  # fmt: skip
_HOMES = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "ADAPTERS_FOLDER",
    "BASE_FOLDER",
    "AdapterRef",
    "Backend",
    "Card",
    "Decision",
    "Embedder",
    "EmbeddingScorer",
    "EmbeddingWeights",
    "GenerateRequest",
    "GenerateResponse",
    "LocalBackend",
    "Message",
    "OpenAICompatibleBackend",
    "Policy",
    "RecordedBackend",
    "Registry",
    "Sampling",
    "ScoredText",
    "Scorer",
    "Usage",
    "WinnerTakeAll",
    "adapter_digest",
    "base_digest",
    "check_fit",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
