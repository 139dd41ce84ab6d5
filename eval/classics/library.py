"""Reads the packaged problems. A file holds the statement, public and hidden cases, a reference
solution, and mutants, which are replacements in the reference that make it wrong.

Only the statement and the public cases can reach a prompt; reference and mutants are for the tests
of the checks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from eval.problems import Problem
from eval.schema import problem_from, short
from state.errors import UsageError

FOLDER = Path(__file__).with_name("problems")


@dataclass(frozen=True)
class Classic:
    """A problem together with the programs that test its checks."""

    problem: Problem
    reference: str
    """Program that passes every check."""
    mutants: tuple[str, ...]
    """Programs that run but must fail a hidden check."""


def classics() -> list[str]:
    """Names of the problems, in order."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def classic(name: str) -> Classic:
    """One problem. Raises UsageError for an unknown name."""
    path = FOLDER / f"{name}.yaml"
    if name not in classics():
        known = ", ".join(classics()[:4])
        raise UsageError(f"suite classics has no problem {short(name)}; it has {known}, …")
    data = yaml.safe_load(path.read_text("utf-8"))
    id = f"classics/{data['id']}"
    fields = {
        "id": id, "kind": "code", "statement": data["statement"],
        "entry_point": data.get("entry_point"), "signature": data.get("signature"),
        "public_checks": _checks(data, "public"), "hidden_checks": _checks(data, "hidden"),
        "meta": {"suite": "classics", "level": data["level"], "form": data["form"]},
    }  # fmt: skip
    reference = str(data["reference"])
    return Classic(
        problem=problem_from(fields, f"problem file {path.name}", id),
        reference=reference,
        mutants=tuple(reference.replace(m["replace"], m["by"]) for m in data["mutants"]),
    )


def _checks(data: dict[str, Any], group: str) -> list[dict[str, Any]]:
    """The cases as checks: all calls form one check, all texts form one, each class sequence is
    one."""
    form, cases = data["form"], data[group]
    if form == "stdio":
        return [{"kind": "stdio", "spec": {"cases": cases}}]
    if form == "function":
        return [{"kind": form, "spec": {"entry_point": data["entry_point"], "cases": cases}}]
    return [{"kind": form, "spec": {"class_name": data["entry_point"], **case}} for case in cases]
