"""Executable checks: one validator for each kind of check; code runs only in the sandbox."""

from __future__ import annotations

from eval.sandbox import BubblewrapSandbox, Sandbox
from eval.validators.extract import strip_thoughts
from eval.validators.function import ClassOpsValidator, FunctionValidator
from eval.validators.guarded import Guarded
from eval.validators.numeric import NumericValidator
from eval.validators.predicate import PredicateValidator
from eval.validators.program import complete_program, extract_code
from eval.validators.program_value import ProgramValueValidator, program_number
from eval.validators.stdio import StdioValidator
from eval.validators.text import AnyOfValidator, ExactValidator, UnorderedValidator
from eval.validators.unit_test import UnitTestValidator
from tiers.protocol import Validator

__all__ = [
    "complete_program",
    "extract_code",
    "program_number",
    "strip_thoughts",
    "validators",
]


def validators(sandbox: Sandbox | None = None) -> dict[str, Validator]:
    """A validator for each kind of check, including those of the domains. ``sandbox`` runs the code
    (default: bubblewrap, which is looked for only when a check needs it)."""
    from eval.domains.evaluations import evaluations

    box = sandbox or BubblewrapSandbox()
    by_kind: dict[str, Validator] = {}
    every: list[Validator] = [
        ExactValidator(),
        NumericValidator(),
        UnorderedValidator(),
        AnyOfValidator(by_kind),
        FunctionValidator(box),
        StdioValidator(box),
        ClassOpsValidator(box),
        ProgramValueValidator(box),
        UnitTestValidator(box),
        PredicateValidator(box),
        *(validator for each in evaluations() for validator in each.validators),
    ]
    for validator in map(Guarded, every):
        by_kind.update(dict.fromkeys(validator.kinds, validator))
    return by_kind
