"""The fields of a problem in files, checked before anything runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from eval.domains.evaluations import evaluations
from eval.problems import NO_CHECKER, Problem, split_section
from eval.sandbox import BubblewrapSandbox
from eval.validators.function import ClassOpsSpec, FunctionSpec
from eval.validators.numeric import NumericSpec
from eval.validators.predicate import PredicateSpec, self_test
from eval.validators.program_value import ProgramValueSpec
from eval.validators.stdio import StdioSpec
from eval.validators.text import AnyOfSpec, ExactSpec, UnorderedSpec
from eval.validators.unit_test import UnitTestSpec
from eval.validators.verdict import Spec
from state.errors import SandboxUnavailable, UsageError
from tiers.answer import labels
from tiers.domains import installed
from tiers.protocol import Check

M = TypeVar("M", bound=BaseModel)
_SPECS: dict[str, type[Spec]] = {
    "exact": ExactSpec,
    "numeric": NumericSpec,
    "unordered": UnorderedSpec,
    "any_of": AnyOfSpec,
    "function": FunctionSpec,
    "class_ops": ClassOpsSpec,
    "stdio": StdioSpec,
    "program_value": ProgramValueSpec,
    "unit_test": UnitTestSpec,
    "predicate": PredicateSpec,
}


def problem_from(data: object, where: str, name: str) -> Problem:
    """The problem in a mapping; ``name`` is its id where the mapping gives none.

    Raises UsageError, one line: ``where``, the field, and the fault.
    """
    if not isinstance(data, dict):
        raise UsageError(
            f"{where}: holds {_noun(data)}, not the fields of a problem (statement: …)"
        )
    fields = {str(key): value for key, value in data.items()}
    if unknown := [key for key in fields if key not in Problem.model_fields]:
        known = ", ".join(Problem.model_fields)
        raise UsageError(f"{where}: unknown field {short(unknown[0])}; fields: {known}")
    if fields.get("statement") is None:
        raise UsageError(f"{where}: no statement; say in the field statement what is asked")
    for group in ("public_checks", "hidden_checks"):
        fields[group] = _checks(fields.get(group), where, group)
    fields.setdefault("id", name)
    fields.setdefault("kind", "code" if fields.get("entry_point") else "text")
    if fields["kind"] not in installed().problem_kinds:
        known = ", ".join(installed().problem_kinds)
        raise UsageError(f"{where}: kind: no {short(str(fields['kind']))}; kinds: {known}")
    kinds = dict.fromkeys(check.kind for check in fields["hidden_checks"])
    fields.setdefault("checker", "+".join(kinds) or NO_CHECKER)
    _plain_data(fields.get("meta"), f"{where}: meta")
    return _parsed(Problem, fields, where)


def _checks(items: object, where: str, group: str) -> tuple[Check, ...]:
    """The checks of a field, each with an existing kind and a spec that fits the kind."""
    if items is None:
        return ()
    if not isinstance(items, list):
        raise UsageError(f"{where}: {group}: is {_noun(items)}, not a list of checks (kind, spec)")
    checks = []
    for k, item in enumerate(items):
        place = f"{where}: {group}[{k}]"
        check = _parsed(Check, item, place)
        bare, section = split_section(check)
        if section is not None and group == "public_checks":
            raise UsageError(f"{place}: section: only a hidden check judges a section")
        if section is not None and section not in (known := labels()):
            raise UsageError(f"{place}: section: no {section!r}; sections: {', '.join(known)}")
        _examine(bare, place)
        checks.append(check)
    return tuple(checks)


def _examine(check: Check, where: str) -> None:
    """Raise UsageError for a check that its validator would refuse."""
    specs = _SPECS | {kind: spec for each in evaluations() for kind, spec in each.specs.items()}
    if check.kind not in specs:
        raise UsageError(f"{where}: kind: no {short(check.kind)}; kinds: {', '.join(specs)}")
    _plain_data(check.spec, f"{where}: spec")
    spec = _parsed(specs[check.kind], check.spec, where)
    if isinstance(spec, PredicateSpec) and (fault := _tried(spec)):
        raise UsageError(f"{where}: predicate: {flat(fault)}")
    if isinstance(spec, AnyOfSpec):
        for k, inner in enumerate(spec.checks):
            place = f"{where}: checks[{k}]"
            _examine(_parsed(Check, inner, place), place)


def _tried(spec: PredicateSpec) -> str:
    """Fault of the predicate that shows without an answer; empty without one, or without a
    sandbox."""

    async def tried() -> str:
        with contextlib.suppress(SandboxUnavailable):
            return await self_test(spec, BubblewrapSandbox())
        return ""

    # A separate thread is used because the caller may run in an event loop.
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(lambda: asyncio.run(tried())).result()


def _parsed(model: type[M], data: object, where: str) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or model.__name__.lower()
        says = flat(first["msg"].removeprefix("Value error, "))
        raise UsageError(f"{where}: {name}: {says}") from error


def _plain_data(data: object, where: str) -> None:
    try:
        json.dumps(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{where}: only plain data can be kept: {flat(str(error))}") from error


def _noun(value: object) -> str:
    names = {"NoneType": "nothing", "dict": "a mapping", "list": "a list", "str": "plain text"}
    return names.get(type(value).__name__, "a single value")


def short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")


def flat(text: str) -> str:
    return " ".join(text.split())[:200]
