"""Output of a run to its caller: events during the run, and one report at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from specialists.registry import Described
from state.status import StopKind, Verdict, state_of
from tiers.memory import MemoryPolicy
from tiers.protocol import Budget, CheckResult

Strategy = Literal["auto", "direct", "plan"]
BackendName = Literal["local", "openai", "recorded"]
Part = Literal["monitor", "memory", "verification", "routing", "decomposition"]
"""Parts of the hierarchy that a comparison can leave out."""
ScorerName = Literal[
    "embedding", "loss_probe", "loss_probe_raw", "abstention", "learned", "posterior"
]
RoutingMode = Literal["winner_take_all", "probabilistic", "ensemble", "cascade", "adaptive"]


class Frozen(BaseModel):
    """Immutable; unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RunOptions(Frozen):
    """Options of a run, written to the run row, so that a resume uses the same."""

    backend: BackendName = "local"
    base_url: str | None = None
    """Endpoint of the ``openai`` backend."""
    api_key: str | None = Field(default=None, exclude=True)
    """Key of the endpoint; never stored, so a resume takes it from the settings again."""
    max_connections: int = 64
    """Requests in flight at the endpoint."""
    request_timeout: float | None = None
    """Most seconds of one request; ``None`` adapts the limit to the speed of the endpoint."""
    score_concurrency: int = 1
    """Texts scored at once at the endpoint."""
    model: str | None = None
    """Base model's name at the endpoint."""
    recording: str | None = None
    """File of the ``recorded`` backend."""
    record: str | None = None
    """File into which every call of this run is recorded."""
    fleet: str | None = None
    """Folder of base and adapters; ``None`` is the embedded pocket fleet."""
    strategy: Strategy = "auto"
    specialists: dict[str, Described] = Field(default_factory=dict)
    """The user's descriptions of adapters that the endpoint lists, by their names there."""
    specialist: str | None = None
    """Specialist that gets every step in place of routing."""
    scorer: ScorerName = "embedding"
    routing_mode: RoutingMode = "winner_take_all"
    embedder: str | None = None
    """sentence-transformers name or path; ``None`` is all-MiniLM-L6-v2 from its package."""
    memory: MemoryPolicy = MemoryPolicy()
    budget: Budget = Budget()
    seed: int = 0
    temperature: float = 0.0
    """Least temperature of every sample; at 0 the first sample of each call is greedy."""
    without: tuple[Part, ...] = ()
    """Parts that are left out, for comparisons."""
    system: str | None = None
    """Baseline that answers the problem, for comparisons; ``None`` is the hierarchy."""
    approve: Literal["plan"] | None = None
    """Whether the run pauses for a person's approval after planning."""
    price_prompt: float = 0.0
    """US dollars per million prompt tokens."""
    price_completion: float = 0.0


class Event(Frozen):
    """Something that happened in a run, for the live view and the log."""

    kind: Literal[
        "start", "monitor", "plan", "approval", "dispatch", "call", "outcome", "report", "note"
    ]
    text: str
    """Text of the event, one line for people."""
    data: dict[str, Any] = Field(default_factory=dict)
    """Ids and counters; see the place in ``tiers`` that creates each event."""


Observer = Callable[[Event], None]


class StepReport(Frozen):
    """One step of the plan that ended the run."""

    id: str
    kind: str
    objective: str
    status: str
    specialist: str | None
    artifact: str | None
    attempts: int


class RunReport(Frozen):
    """Report of a run: the one object that ``--json`` prints."""

    run_id: str
    problem: str
    status: Literal["finished", "interrupted", "awaiting-approval"]
    """Status of the run; see :data:`state.status.RUN_STATES`."""
    verdict: Verdict | None
    answer: str | None
    reference_match: bool | None
    """Whether the answer passes the problem's hidden checks; ``None`` where there are none."""
    steps: tuple[StepReport, ...] = ()
    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    cost: float = 0.0
    """US dollars."""
    stop_kind: StopKind | None = None
    """Why the run stopped, for programs: see :data:`state.status.STOP_KINDS`."""
    stop_reason: str | None = None
    """Why the run stopped, one line for people."""
    specialists: dict[str, int] = Field(default_factory=dict)
    """Specialist → number of calls to it."""
    checks: tuple[str, ...] = ()
    """The checks that verified the answer, in words."""
    doubts: tuple[str, ...] = ()
    """Checks that could not decide whether the answer is right, in words."""
    lost: int = 0
    """Number of calls that were paid for and gave no usable answer; calls that were given up count
    at the most that they can have cost."""
    hidden: tuple[CheckResult, ...] = ()
    """Results of the hidden checks, which score the run after its end."""

    @property
    def exit_code(self) -> int:
        """Exit code of the run; see :class:`state.status.Exit`."""
        return int(state_of(self.status, self.verdict).exit)
