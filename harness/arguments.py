"""The settings as keyword arguments of the Python interface.

:class:`harness.settings.Settings` explains each one. A setting that is left out, or is ``None``, comes
from ``HARNESS_*``, from ``harness.toml``, or from its default.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from harness.report import BackendName, RoutingMode, ScorerName, Strategy
from specialists.registry import Described
from tiers.memory import Packs


class SharedArguments(TypedDict, total=False):
    """Settings that a run and a comparison take."""

    backend: BackendName
    base_url: str | None
    api_key: str | None
    model: str | None
    max_connections: int
    request_timeout: float | None
    score_concurrency: int
    recording: str | None
    record: str | None
    fleet: str | None
    specialists: dict[str, Described]
    specialist: str | None
    temperature: float
    max_calls: int | None
    max_tokens: int | None
    max_cost: float | None
    timeout: float | None
    packs: Packs
    routines: bool
    insights: bool
    decay: bool
    scorer: ScorerName
    routing_mode: RoutingMode
    embedder: str | None
    price_prompt: float
    price_completion: float


class RunArguments(SharedArguments, total=False):
    """Settings of a run."""

    strategy: Strategy
    seed: int
    approve: Literal["plan"] | None


RUN_ONLY = frozenset(RunArguments.__annotations__) - frozenset(SharedArguments.__annotations__)
"""Settings that a comparison decides itself."""
