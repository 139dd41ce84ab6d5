"""Backends that run models under one interface: a local, an OpenAI-compatible and a recorded
one."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from specialists.backends.base import (
    AdapterRef,
    Backend,
    GenerateRequest,
    GenerateResponse,
    Message,
    Sampling,
    ScoredText,
    Usage,
)

if TYPE_CHECKING:
    from specialists.backends.local import LocalBackend
    from specialists.backends.openai import OpenAICompatibleBackend
    from specialists.backends.recorded import RecordedBackend

__all__ = [
    "AdapterRef",
    "Backend",
    "GenerateRequest",
    "GenerateResponse",
    "LocalBackend",
    "Message",
    "OpenAICompatibleBackend",
    "RecordedBackend",
    "Sampling",
    "ScoredText",
    "Usage",
]

_HOMES = {
    "LocalBackend": "local",
    "OpenAICompatibleBackend": "openai",
    "RecordedBackend": "recorded",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: the backends need the registry, which needs the interface in this
    # package.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
