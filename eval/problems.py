"""Problems: the statement, the public checks, and the hidden checks, which only scoring may see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from eval.validators.verdict import failed
from state.errors import UsageError
from tiers.answer import join_sections, sections
from tiers.protocol import Check, CheckResult, Frozen, Task, Validator

__all__ = ["NO_CHECKER", "Problem", "join_sections", "score", "sections"]

NO_CHECKER = "none"


class Problem(Frozen):
    """A problem with its checks. Only the view that :meth:`task` returns may leave the
    evaluation."""

    id: str = Field(min_length=1)
    kind: str = Field(min_length=1)
    """Kind that a domain announces: ``story``, ``multistage``, ``code``, ``text``, …"""
    statement: str
    entry_point: str | None = None
    """The function that an answer in code must define."""
    signature: str | None = None
    """How that function is called, ``f(xs)``."""
    public_checks: tuple[Check, ...] = ()
    """Checks that may be used in prompts, repair and selection."""
    hidden_checks: tuple[Check, ...] = ()
    """Checks that only :func:`score` runs; a spec's ``section`` names the section that it
    judges."""
    checker: str = NO_CHECKER
    """How the hidden checks judge, for reports; ``none`` without hidden checks."""
    meta: dict[str, Any] = Field(default_factory=dict)
    """Data by which reports may group, and the parameters of a generated problem."""

    @field_validator("statement")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("is empty")
        return value

    @model_validator(mode="after")
    def _is_text(self) -> Problem:
        try:
            for text in _strings(self.__dict__):
                text.encode()
        except UnicodeEncodeError:
            raise ValueError(
                "holds half a character (a lone surrogate), which is no text"
            ) from None
        if "\0" in self.id + self.statement:
            raise ValueError("holds a null character, which is no text")
        return self

    def task(self) -> Task:
        """The public view: without hidden checks, checker and meta."""
        return Task(
            id=self.id,
            kind=self.kind,
            statement=self.statement,
            entry_point=self.entry_point,
            signature=self.signature,
            public_checks=self.public_checks,
        )


def _strings(value: object) -> Iterator[str]:
    """All strings in nested data and models."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Frozen):
        yield from _strings(value.__dict__)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _strings(key)
            yield from _strings(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _strings(inner)


async def score(
    problem: Problem, answer_text: str, validators: Mapping[str, Validator]
) -> list[CheckResult]:
    """Run the hidden checks on a finished answer, each on its section; only to be called after the
    run.

    Without hidden checks there are no results, which means "no checker", never success. Raises
    UsageError for a check that no validator runs, SandboxUnavailable where code must run and
    cannot.
    """
    found = sections(answer_text)
    results = []
    for check in problem.hidden_checks:
        validator = validators.get(check.kind)
        if validator is None:
            raise UsageError(
                f"problem {problem.id}: no validator runs checks of kind {check.kind!r}"
            )
        bare, section = split_section(check)
        if section is None:
            results.append(await validator.validate(answer_text, bare))
        elif section in found:
            results.append(await validator.validate(found[section], bare))
        else:
            results.append(failed(bare, "no-section", f"the answer has no section {section!r}"))
    return results


def split_section(check: Check) -> tuple[Check, str | None]:
    """The check in the form that its validator expects, and the section that it judges."""
    spec = dict(check.spec)
    section = spec.pop("section", None)
    return Check(kind=check.kind, spec=spec), section
