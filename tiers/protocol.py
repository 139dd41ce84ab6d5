"""What the tiers say to each other: frozen, versioned models.

A problem enters the tiers as a :class:`Task`, the public view of ``eval.Problem``. A task has no
field for hidden checks, so no hidden check can reach a prompt.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from state.errors import StoreError

PROTOCOL_VERSION = 2
"""Version 1 kept a failed attempt as ``hash:cause`` beside two further lists; see :class:`Outcome`."""

Status = Literal["verified", "unverified", "failed", "exhausted"]
"""How a delegation ended; ``unverified`` means that no check decided, never success."""

StepKind = str
"""Kind of a step, which a domain announces with its craft; see :mod:`tiers.domains`."""


class PlanError(ValueError):
    """A decomposition that cannot become a plan; the message says which line and why."""


class NoPlan(PlanError):
    """No plan of this fleet can do it, so no further one is tried; the message says why."""


class Frozen(BaseModel):
    """A model that crosses a seam: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Versioned(Frozen):
    """A record that is written to the store and read again, perhaps by a later program."""

    version: int = PROTOCOL_VERSION

    @model_validator(mode="before")
    @classmethod
    def _upgraded(cls, data: Any) -> Any:
        """``data`` as this version writes it. Raises StoreError for a record of a newer program."""
        version = data.get("version", PROTOCOL_VERSION) if isinstance(data, dict) else 0
        if version > PROTOCOL_VERSION:
            raise StoreError(
                f"a {cls.__name__.lower()} of version {version} is in the state database, but this "
                f"program knows up to {PROTOCOL_VERSION}; upgrade hi-moe"
            )
        if version == 1:
            return {**cls._from_version_1(dict(data)), "version": PROTOCOL_VERSION}
        return data

    @classmethod
    def _from_version_1(cls, data: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError


class Check(Frozen):
    """One executable check. What ``spec`` holds depends on ``kind``; see ``eval.validators``."""

    kind: str
    """Name of the validator that runs it: ``exact``, ``numeric``, ``function``, ``stdio``, …"""
    spec: dict[str, Any] = Field(default_factory=dict)


class CheckResult(Frozen):
    """What one check found."""

    kind: str
    passed: bool
    detail: str = ""
    """One line for the repair prompt: what was expected, what came. Empty when passed."""
    signature: str = ""
    """Normalised cause of a failure (exception type or mismatch class), for spinning detection."""
    seconds: float = 0.0
    inconclusive: bool = False
    """The check itself failed (its program, its sandbox, a value that it cannot compare): it neither
    bears the artifact out nor refutes it, and no specialist is told that it was wrong."""

    @model_validator(mode="after")
    def _not_both(self) -> CheckResult:
        if self.passed and self.inconclusive:
            raise ValueError("a check that passed is not inconclusive")
        return self

    @property
    def refutes(self) -> bool:
        """Whether the check shows that the artifact is wrong."""
        return not self.passed and not self.inconclusive


class Validator(Protocol):
    """Runs the checks of one or more kinds on an artifact."""

    kinds: frozenset[str]

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """Run ``check`` on ``artifact``. A wrong artifact is a failed result, never an exception."""
        ...


class Task(Frozen):
    """The public view of a problem: all that any prompt may ever be built from."""

    id: str
    kind: str
    """``story``, ``code``, ``text``, or what else a domain announces."""
    statement: str
    entry_point: str | None = None
    signature: str | None = None
    public_checks: tuple[Check, ...] = ()


class Budget(Frozen):
    """What one run may spend; ``None`` is no limit. Every call of every tier draws on it."""

    calls: int | None = Field(default=None, gt=0)
    tokens: int | None = Field(default=None, gt=0)
    """Prompt and completion tokens together."""
    cost: float | None = Field(default=None, gt=0)
    """US dollars."""
    seconds: float | None = Field(default=None, gt=0)


class PlanStep(Frozen):
    """One step of a plan, as the architect hands it to the store."""

    name: str
    """Unique in the plan; other steps name it in their ``inputs``."""
    kind: StepKind
    objective: str
    """What to do; ``{name}`` stands for the artifact of the input of that name."""
    inputs: tuple[str, ...] = ()
    """Names of the steps whose artifacts this one needs."""
    acceptance: tuple[Check, ...] = ()
    """Checks of the artifact; their kinds are validators' or the fleet's own derivations."""
    given: str | None = None
    """The artifact itself, for a fact that the problem states: nobody has to work it out."""
    meta: dict[str, Any] = Field(default_factory=dict)


class Plan(Frozen):
    """A DAG of steps, the step that holds the answer, and how it was found."""

    steps: tuple[PlanStep, ...]
    answer: dict[str, str]
    """Section of the answer → name of the step that gives it; the only section may be ``""``."""
    decomposer: Literal["direct", "rules", "learned", "llm"]
    why: str
    checks: tuple[CheckResult, ...] = ()

    @model_validator(mode="after")
    def _names_its_steps(self) -> Plan:
        names = [step.name for step in self.steps]
        if len({*names}) < len(names):
            raise ValueError("two steps have one name")
        wanted = {*self.answer.values(), *(name for step in self.steps for name in step.inputs)}
        if unknown := sorted(wanted - {*names}):
            raise ValueError(f"no step has the name {unknown[0]!r}")
        if not self.answer:
            raise ValueError("no step gives the answer")
        return self


class Parts(Frozen):
    """How a step that nobody could do whole goes on: further parts, or what they make together."""

    steps: tuple[PlanStep, ...] = ()
    """Steps to do first. Their ``inputs`` name parts, these or earlier ones."""
    artifact: str | None = None
    """The step's artifact, once the parts that were asked for are done."""
    exact: bool = True
    """Whether right parts make a right whole by themselves, so that it needs no check of its own."""


class Assembly(Frozen):
    """An artifact that was made of the artifacts of parts, for a delegation that only checks it."""

    artifact: str
    parts: int
    """How many parts it was made of."""
    sound: bool
    """Whether every part was verified, and verified parts make a right whole."""


class Remedy(Frozen):
    """What an insight advises: what helped when a check failed for this cause."""

    insight: str
    """Its bead."""
    cause: str
    """Normalised cause of a failure, as :attr:`CheckResult.signature` gives it."""
    by: Literal["resample", "feedback", "specialist"]
    """Another sample, an attempt that read the failing check, or another specialist."""
    specialist: str
    """Who succeeded."""
    chance: float
    """Posterior mean that it helps again."""
    says: str
    """One line for a prompt."""


class Delegation(Versioned):
    """An order of the dispatcher to the fleet: one step for one specialist."""

    id: str
    run_id: str
    bead_id: str
    """The step."""
    kind: StepKind
    objective: str
    """The step's objective with the artifacts of its inputs filled in."""
    inputs: dict[str, str] = Field(default_factory=dict)
    acceptance: tuple[Check, ...] = ()
    specialist: str
    team: Literal["one", "ensemble", "cascade"] = "one"
    """How ``others`` join in: all at once, or in turn while verification fails."""
    others: tuple[str, ...] = ()
    """Further specialists of the team, in order."""
    policy: Literal["greedy", "resample"] = "greedy"
    """How the first attempt samples: a step tried before starts with a new sample."""
    attempts: int = 3
    """Most attempts of this specialist, the first included."""
    before: int = 0
    """How often this work was ordered before, under this plan or another: each time is sampled anew."""
    pack: str = ""
    """What the specialist is shown beside its task; see :mod:`tiers.memory.packs`."""
    records: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Beta parameters of verified success on such work before this run, by specialist, if known."""
    remedies: tuple[Remedy, ...] = ()
    """What memory knew about faults of such steps when the order was given."""
    deadline: AwareDatetime | None = None
    """When no further attempt starts any more."""
    assembly: Assembly | None = None
    """What the parts of the step made, where it was taken apart: it is checked, and nobody is asked."""
    meta: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def _from_version_1(cls, data: dict[str, Any]) -> dict[str, Any]:
        data.pop("context", None)
        return data


class Failure(Frozen):
    """One failed attempt of a delegation. Equal answers that failed for equal causes are a repeat."""

    answer_hash: str
    """See :func:`tiers.fleet.answer_hash`."""
    cause: str
    """Signature of the check that refuted the answer, or :data:`DECLINED` or :data:`NO_ARTIFACT`."""
    fault: str = ""
    """The failing check in words, which a training row of a repair shows."""
    passed: int = 0
    """Checks that the attempt passed, to see whether it got any closer."""

    @property
    def repeats(self) -> tuple[str, str]:
        """What two failures have in common when the second brought nothing new."""
        return self.answer_hash, self.cause


DECLINED = "declined"
"""Cause of an attempt that its specialist declined."""
NO_ARTIFACT = "no-artifact"
"""Cause of an attempt whose answer held no result."""
NO_TEXT = "no-text"
"""Cause of an attempt whose answer held no text at all."""


class Outcome(Versioned):
    """What the fleet made of a delegation."""

    delegation_id: str
    status: Status
    artifact: str | None = None
    checks: tuple[CheckResult, ...] = ()
    """Checks of the artifact, or of the last attempt when none passed."""
    attempts: int = 0
    failures: tuple[Failure, ...] = ()
    """The attempts that a check refuted or that gave no result, in order."""
    surprise: float | None = None
    """−log p of this status under the specialist's record, in nats; ``None`` where nothing was
    decided."""
    error: str | None = None
    """Why it ended without an answer, where no check says so: a limit of the budget, a refusal."""
    members: dict[str, Status] = Field(default_factory=dict)
    """How each specialist of a team ended; empty for one."""

    @property
    def fault(self) -> str:
        """The first check that refutes the artifact in words, or the error; empty when there is
        none."""
        return next((c.detail for c in self.checks if c.refutes), "") or self.error or ""

    @property
    def doubt(self) -> str:
        """Why nothing was decided, where a check itself failed; else empty."""
        return next((c.detail for c in self.checks if c.inconclusive), "")

    @classmethod
    def _from_version_1(cls, data: dict[str, Any]) -> dict[str, Any]:
        data.pop("confidence", None)
        old: list[str] = data.pop("signatures", [])
        faults = data.pop("faults", []) or [""] * len(old)
        passes = data.pop("passes", []) or [0] * len(old)
        parts = [signature.partition(":") for signature in old]
        data["failures"] = [
            {"answer_hash": hashed, "cause": cause, "fault": fault, "passed": passed}
            for (hashed, _, cause), fault, passed in zip(parts, faults, passes, strict=True)
        ]
        return data
