"""Refuses rows that reveal a hidden check.

Hidden checks never reach a prompt by construction; this module is a second safeguard. A text of a
check is considered revealing if it

- is longer than 20 characters (a line of test or predicate code, an argument, an input, an expected
  value), or is a reference answer of at least 6 characters or a number of at least 6 significant
  digits, standing alone; and
- does not occur in the problem's public part (statement and public checks); and
- was not in any answer that the ledger holds from before the call, because a later prompt may quote
  the work of a model.

All such texts count in prompts. In answers only code of the tests counts: a right answer may well
be, or contain, the value that a check expects. Short answers may occur by chance and are not looked
for. A problem that its run does not hold has no check to look for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.export.problem_split import normal
from eval.export.run_selection import problem_of
from eval.export.training_rows import Row
from eval.problems import Problem, split_section
from state import BeadStore, Ledger, Run
from state.errors import UsageError
from tiers.protocol import Check

LONG, SHORT = 20, 6
"""A text is revealing above the first number of characters, a reference answer from the second
on."""
_CODE = ("test", "predicate")
_PLAIN = ("entry_point", "class_name", "prompt", "tol", "timeout", "operations")
"""Fields of specs that the problem's statement contains as well, or that reveal nothing."""
_HEADS = ("def ", "class ", "import ", "from ", "return ", "for ", "while ")
"""Beginnings of lines that occur in any code."""


@dataclass(frozen=True)
class Secret:
    """A text that only scoring may know."""

    text: str
    what: str
    is_code: bool = False

    def shows(self, text: str) -> bool:
        """Whether the secret occurs in ``text``, which is in normal form, as a separate word or
        passage."""
        if self.text not in text:
            return False
        edges = rf"(?<![\w.]){re.escape(self.text)}(?!\w|\.\d)"
        return len(self.text) > LONG or re.search(edges, text) is not None


class Guard:
    """Checks rows for hidden checks before they are exported."""

    def __init__(self, store: BeadStore) -> None:
        self._ledger = Ledger(store)
        self._secrets: dict[str, list[Secret]] = {}

    def examine(self, row: Row) -> None:
        """Raise UsageError, naming run and call, for a row that reveals a hidden check."""
        run = row.work.run
        secrets = self._of(run)
        if not secrets:
            return
        for answer in row.sources:
            call = answer.call
            asked = [str(m["content"]) for m in call.prompt if m["role"] != "assistant"]
            written = [str(m["content"]) for m in call.prompt if m["role"] == "assistant"]
            self._look(run, call.key, secrets, [*asked, answer.fault], call.sequence or 0)
            code = [s for s in secrets if s.is_code and not s.shows(_joined(asked))]
            self._look(run, call.key, code, [*written, call.response], 0)
        if not row.sources:
            first = min((c.sequence or 0 for c in row.work.calls), default=0)
            self._look(run, row.work.order.id, secrets, [str(row.body["task"])], first)

    def _of(self, run: Run) -> list[Secret]:
        if run.id not in self._secrets:
            problem = problem_of(run)
            self._secrets[run.id] = secrets_of(problem) if problem else []
        return self._secrets[run.id]

    def _look(
        self, run: Run, where: str, secrets: Iterable[Secret], texts: Sequence[str], before: int
    ) -> None:
        said = _joined(texts)
        for secret in secrets:
            if secret.shows(said) and not self._ledger.said_before(secret.text, before):
                raise UsageError(
                    f"run {run.id}, call {where[:16]}: holds {secret.what} of a hidden check of "
                    f"{run.problem_id}; nothing is exported (leave the run out with --run)"
                )


def secrets_of(problem: Problem) -> list[Secret]:
    """Texts that occur only in the hidden checks of a problem."""
    public = _joined(
        [problem.statement, *(s.text for c in problem.public_checks for s in _parts(c, least=1))]
    )
    found = {s.text: s for check in problem.hidden_checks for s in _parts(split_section(check)[0])}
    return [secret for secret in found.values() if not secret.shows(public)]


def _joined(texts: Iterable[str]) -> str:
    return normal("\n".join(texts))


def _parts(check: Check, least: int = SHORT) -> Iterator[Secret]:
    """The revealing texts of a check; numbers and references of ``least`` characters or more."""
    yield from _fields(check.spec, least)


def _fields(spec: Mapping[str, Any], least: int) -> Iterator[Secret]:
    for name, value in spec.items():
        if name in _CODE:
            for line in map(normal, str(value).splitlines()):
                if len(line) > LONG and not line.startswith(_HEADS):
                    yield Secret(line, "code", is_code=True)
        elif name in ("cases", "checks"):
            for inner in value:
                yield from _fields(inner.get("spec", inner), least)
        elif name not in _PLAIN:
            what = "the expected answer" if name in ("expected", "stdout", "answer") else "an input"
            reference = name == "expected" and "args" not in spec and "stdin" not in spec
            yield from _values(value, what, least, reference=reference)


def _values(value: Any, what: str, least: int, *, reference: bool) -> Iterator[Secret]:
    """The written forms of a value, and the numbers in it."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        if len(re.sub(r"\D", "", repr(value)).strip("0")) >= least:
            yield Secret(repr(value), what)
        return
    shortest = least if reference or least < SHORT else LONG + 1
    written = {value} if isinstance(value, str) else {repr(value), json.dumps(value)}
    for text in map(normal, sorted(written)):
        if len(text) >= shortest:
            yield Secret(text, what)
    if isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _values(inner, what, least, reference=False)
