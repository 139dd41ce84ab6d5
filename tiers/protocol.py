"""The records that the tiers exchange: frozen, versioned models.

A problem enters the tiers as a :class:`Task`, the public view of ``eval.Problem``. A task has no
field for hidden checks, so no hidden check can reach a prompt.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from state.errors import StoreError

PROTOCOL_VERSION = 2
"""Version of the records. Version 1 kept a failed attempt as ``hash:cause`` beside two further
lists; see :class:`Outcome`."""

Status = Literal["verified", "unverified", "failed", "exhausted"]
"""How a delegation ended; ``unverified`` means that no check decided, never success."""

StepKind = str
"""Kind of a step, which a domain announces with its craft; see :mod:`tiers.domains`."""


class PlanError(ValueError):
    """A decomposition that cannot become a plan; the message says which line is wrong and why."""


class NoPlan(PlanError):
    """No plan of this fleet can succeed, so no further one is tried; the message says why."""


class Frozen(BaseModel):
    """Base of the models that packages exchange: immutable, unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Versioned(Frozen):
    """A record that is written to the store and may be read again by a later version of the
    program."""

    version: int = PROTOCOL_VERSION

    @model_validator(mode="before")
    @classmethod
    def _upgraded(cls, data: Any) -> Any:
        """``data`` in the format of this version. Raises StoreError for a record of a newer
        version."""
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
    """One line for the repair prompt: the expected and the actual value. Empty when the check
    passed."""
    signature: str = ""
    """Normalised cause of a failure (exception type or mismatch class), for spinning detection."""
    seconds: float = 0.0
    inconclusive: bool = False
    """Whether the check itself failed (its program, its sandbox, a value that it cannot compare).
    Such a check neither supports nor refutes the artifact, and no specialist receives it as
    criticism."""

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
    """The public view of a problem: the only source of every prompt."""

    id: str
    kind: str
    """``story``, ``code``, ``text``, or another kind that a domain announces."""
    statement: str
    entry_point: str | None = None
    signature: str | None = None
    public_checks: tuple[Check, ...] = ()


class Budget(Frozen):
    """Limits of one run; ``None`` is no limit. Every call of every tier counts against them."""

    calls: int | None = Field(default=None, gt=0)
    tokens: int | None = Field(default=None, gt=0)
    """Prompt and completion tokens together."""
    cost: float | None = Field(default=None, gt=0)
    """US dollars."""
    seconds: float | None = Field(default=None, gt=0)


class PlanStep(Frozen):
    """One step of a plan, as the architect writes it to the store."""

    name: str
    """Name that is unique in the plan; other steps list it in their ``inputs``."""
    kind: StepKind
    objective: str
    """The task of the step; ``{name}`` stands for the artifact of the input of that name."""
    inputs: tuple[str, ...] = ()
    """Names of the steps whose artifacts this one needs."""
    acceptance: tuple[Check, ...] = ()
    """Checks of the artifact; their kinds belong to validators or to the fleet's own
    derivations."""
    given: str | None = None
    """The artifact itself, for a fact that the problem states; such a step has nothing to work
    out."""
    meta: dict[str, Any] = Field(default_factory=dict)


class Plan(Frozen):
    """A DAG of steps, the step that holds the answer, and the decomposer that found it."""

    steps: tuple[PlanStep, ...]
    answer: dict[str, str]
    """Section of the answer → name of the step that gives it; a single section may be ``""``."""
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
    """The next stage of a step that was taken apart: further parts, or the artifact that they
    make."""

    steps: tuple[PlanStep, ...] = ()
    """Parts to do first. Their ``inputs`` name parts of this or an earlier stage."""
    artifact: str | None = None
    """The step's artifact, once the requested parts are done."""
    exact: bool = True
    """Whether correct parts guarantee a correct artifact, so that it needs no check of its own."""


class Assembly(Frozen):
    """An artifact that was made from the artifacts of parts, for a delegation that only checks
    it."""

    artifact: str
    parts: int
    """Number of parts that the artifact was made of."""
    sound: bool
    """Whether every part was verified, and verified parts guarantee a correct artifact."""


class Remedy(Frozen):
    """The advice of an insight: what helped when a check failed for this cause."""

    insight: str
    """Id of the insight's bead."""
    cause: str
    """Normalised cause of a failure, as :attr:`CheckResult.signature` gives it."""
    by: Literal["resample", "feedback", "specialist"]
    """The remedy: another sample, an attempt that read the failing check, or another specialist."""
    specialist: str
    """The specialist that succeeded."""
    chance: float
    """Posterior mean that the remedy helps again."""
    says: str
    """The advice as one line for a prompt."""


class Delegation(Versioned):
    """An order of the dispatcher to the fleet: one step for one specialist."""

    id: str
    run_id: str
    bead_id: str
    """Id of the step's bead."""
    kind: StepKind
    objective: str
    """The step's objective with the artifacts of its inputs filled in."""
    inputs: dict[str, str] = Field(default_factory=dict)
    acceptance: tuple[Check, ...] = ()
    specialist: str
    team: Literal["one", "ensemble", "cascade"] = "one"
    """How ``others`` take part: not at all, all at once, or in turn while verification fails."""
    others: tuple[str, ...] = ()
    """Further specialists of the team, in order."""
    policy: Literal["greedy", "resample"] = "greedy"
    """How the first attempt samples: a step that was tried before starts with a new sample."""
    attempts: int = 3
    """Most attempts of this specialist, the first included."""
    before: int = 0
    """Earlier orders of this work, under this plan or another; each order samples differently."""
    pack: str = ""
    """The context that the specialist is shown beside its task; see :mod:`tiers.memory.packs`."""
    records: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Beta parameters of verified success on such work before this run, by specialist, if known."""
    remedies: tuple[Remedy, ...] = ()
    """Remedies in memory for faults of such steps, at the time of the order."""
    deadline: AwareDatetime | None = None
    """Time after which no further attempt starts."""
    assembly: Assembly | None = None
    """The artifact that the parts of the step made, where it was taken apart. It is only checked;
    no specialist is asked."""
    meta: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def _from_version_1(cls, data: dict[str, Any]) -> dict[str, Any]:
        data.pop("context", None)
        return data


class Failure(Frozen):
    """One failed attempt of a delegation. Equal answers that failed for equal causes are a
    repetition."""

    answer_hash: str
    """Hash of the answer; see :func:`tiers.fleet.answer_hash`."""
    cause: str
    """Signature of the check that refuted the answer, or :data:`DECLINED` or :data:`NO_ARTIFACT`."""
    fault: str = ""
    """The failing check in words, for the training rows of repairs."""
    passed: int = 0
    """Checks that the attempt passed, to measure whether attempts improve."""

    @property
    def repeats(self) -> tuple[str, str]:
        """Answer and cause, which are equal for two failures when the second brought nothing
        new."""
        return self.answer_hash, self.cause


DECLINED = "declined"
"""Cause of an attempt that its specialist declined."""
NO_ARTIFACT = "no-artifact"
"""Cause of an attempt whose answer held no result."""
NO_TEXT = "no-text"
"""Cause of an attempt whose answer held no text at all."""


class Outcome(Versioned):
    """The result of a delegation."""

    delegation_id: str
    status: Status
    artifact: str | None = None
    checks: tuple[CheckResult, ...] = ()
    """Checks of the artifact, or of the last attempt when no attempt passed."""
    attempts: int = 0
    failures: tuple[Failure, ...] = ()
    """The attempts that a check refuted or that gave no result, in order."""
    surprise: float | None = None
    """−log p of this status under the specialist's record, in nats; ``None`` where no check
    decided."""
    error: str | None = None
    """Why the delegation ended without an answer, where no check says so: a limit of the budget, a
    refusal."""
    members: dict[str, Status] = Field(default_factory=dict)
    """How each specialist of a team ended; empty for a single specialist."""

    @property
    def fault(self) -> str:
        """The first check that refutes the artifact, in words, or the error; empty without
        either."""
        return next((c.detail for c in self.checks if c.refutes), "") or self.error or ""

    @property
    def doubt(self) -> str:
        """Why no check decided, where a check itself failed; else empty."""
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
