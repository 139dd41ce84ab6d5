"""The interface of model backends, however they run the model.

A batch may mix adapters. An adapter is requested by its content digest, and the response says which
digest answered, so the base model or stale weights are never used unnoticed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from state import AdapterError
from state.text import REPLACEMENT, storable


class Frozen(BaseModel):
    """Base of the models that packages exchange: immutable, unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Frozen):
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


class Sampling(Frozen):
    """Parameters that control how tokens are chosen."""

    max_tokens: int = Field(default=256, gt=0)
    temperature: float = Field(default=0.0, ge=0.0)
    """Temperature; 0 is greedy."""
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    seed: int = 0
    stop: tuple[str, ...] = ()
    """Strings before which generation ends, at the first occurrence of any."""
    json_schema: str | None = None
    """JSON schema that the answer must follow, for backends with constrained decoding."""


SERVED = "served:"
"""Prefix of the key of an adapter whose weights only the endpoint has."""


class AdapterRef(Frozen):
    """A LoRA adapter by name and content, or by the name under which an endpoint lists it."""

    name: str
    digest: str
    """First 16 hex digits of the SHA-256 of the adapter's configuration and weights; for an adapter
    that only the endpoint has, :data:`SERVED` and its name there, since nothing can be hashed."""
    path: Path | None = None
    """Folder of the weights; ``None`` where only the endpoint has them."""

    @classmethod
    def listed(cls, name: str) -> AdapterRef:
        """The adapter that an endpoint lists as ``name``."""
        return cls(name=name, digest=SERVED + name)

    @property
    def folder(self) -> Path:
        """Folder of the weights. Raises ``AdapterError`` where only an endpoint has them."""
        if self.path is None:
            raise AdapterError(
                f"adapter {self.name} is known by its name at an endpoint only: there are no "
                "weights here to load"
            )
        return self.path

    @property
    def served_name(self) -> str:
        """The name of the adapter on servers: different for different weights."""
        if self.digest.startswith(SERVED):
            return self.digest.removeprefix(SERVED)
        return f"{self.name}-{self.digest}"


class Usage(Frozen):
    """Tokens as counted by the backend that ran the model."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class GenerateRequest(Frozen):
    """One completion: messages under an adapter, or under the bare base model."""

    messages: tuple[Message, ...]
    adapter: str | None = None
    """Digest of a loaded adapter; ``None`` requests the base model explicitly."""
    sampling: Sampling = Sampling()
    deadline: float | None = Field(default=None, exclude=True)
    """``time.monotonic()`` seconds by which the answer is needed, waiting and retries included.

    The deadline does not affect the answer, so it is left out of a serialised request.
    """


RemarkKind = Literal["model", "text", "empty", "parameters"]
"""Kinds of unusual answers: another model name, characters that no store can hold, no text at all,
parameters that the endpoint does not know."""


class GenerateResponse(Frozen):
    """The completion that the model wrote.

    Its text is storable: characters that are not have been replaced, and a remark says so.
    """

    text: str
    finish_reason: Literal["stop", "length"]
    usage: Usage
    adapter: str | None
    """Digest of the adapter that answered."""
    model: str
    """Identity of the base model."""
    latency_s: float
    """Seconds from submission to completion, waiting included."""
    remarks: dict[RemarkKind, str] = Field(default_factory=dict)
    """Unusual properties of the answer, one line each."""

    @model_validator(mode="before")
    @classmethod
    def _made_storable(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(text := data.get("text"), str):
            return data
        kept = storable(text)
        if kept == text:
            return data
        says = f"{kept.count(REPLACEMENT) - text.count(REPLACEMENT)} characters cannot be stored"
        return {**data, "text": kept, "remarks": {**data.get("remarks", {}), "text": says}}


class ScoredText(Frozen):
    """Token log-probabilities (natural) of ``text`` after ``prompt`` under one adapter."""

    adapter: str | None
    log_probs: tuple[float, ...]


TEMPLATE_TOKENS = 16
"""Tokens that a usual chat template adds to each message, and once more at the end."""


def most_prompt_tokens(messages: Sequence[Message]) -> int:
    """An upper bound of a prompt's tokens under any tokenizer of bytes: one token a byte."""
    sizes = (len(m.content.encode("utf-8", "surrogatepass")) for m in messages)
    return sum(sizes) + TEMPLATE_TOKENS * (len(messages) + 1)


class Backend(Protocol):
    """A frozen base model that serves LoRA adapters.

    Raises ``AdapterError`` for an adapter that is not loaded or does not fit, ``BackendUnavailable``
    when the model cannot be reached, ``BadAnswer`` when one call gave nothing usable
    (``RequestRefused``: because of what was asked), and ``BackendTimeout`` when the deadline of a
    request passes.
    """

    name: str
    context_tokens: int | None
    """Most tokens of prompt and completion together; ``None`` where that is unknown."""

    @property
    def model_id(self) -> str:
        """Identity of the base model: a digest for local weights, the served name for an
        endpoint."""
        ...

    async def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResponse]:
        """Complete a batch; responses stand in the order of the requests."""
        ...

    async def score(
        self, pairs: Sequence[tuple[Sequence[Message], str]], adapters: Sequence[str | None]
    ) -> list[list[ScoredText]]:
        """Log-probabilities of each (prompt, text) under each adapter: [pair][adapter]."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text`` under the model's tokenizer, or an upper estimate for endpoints."""
        ...

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of a prompt in the model's template, or an upper bound."""
        ...

    def adapters(self) -> dict[str, AdapterRef]:
        """Loaded adapters by digest."""
        ...

    async def load(self, adapter: AdapterRef) -> None:
        """Check and load an adapter; loading the same content again does nothing."""
        ...

    async def unload(self, digest: str) -> None:
        """Remove a loaded adapter."""
        ...

    async def close(self) -> None:
        """Release the model."""
        ...
