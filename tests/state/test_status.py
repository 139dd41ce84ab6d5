"""The one table of states and exit codes, and that the documentation says the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from state import BudgetExceeded, ClaimError, SetupError, UsageError
from state.status import (
    EXIT_MEANINGS,
    RUN_STATES,
    STOP_KINDS,
    VERDICTS,
    Exit,
    RunStatus,
    StopKind,
    reference_word,
    state_of,
)

PAGE = (Path(__file__).parents[2] / "docs" / "exit-codes.md").read_text("utf-8")


def table(heading: str) -> list[list[str]]:
    """Rows of the table under a heading of the page, without its head."""
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]


def test_the_page_lists_every_exit_code() -> None:
    assert {int(code): meaning for code, meaning in table("Exit codes")} == {
        int(code): meaning for code, meaning in EXIT_MEANINGS.items()
    }


def test_the_page_lists_every_state_of_a_run() -> None:
    found = {name: (int(code), meaning) for name, code, meaning in table("States of a run")}
    assert found == {s.name: (int(s.exit), s.meaning) for s in RUN_STATES.values()}


def test_the_page_lists_every_kind_of_stop() -> None:
    assert dict(table("Why a run stopped")) == STOP_KINDS
    assert set(STOP_KINDS) == set(get_args(StopKind))


def test_every_status_and_verdict_has_a_state() -> None:
    names = {*get_args(RunStatus), *VERDICTS} - {"finished"}
    assert names == set(RUN_STATES)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ClaimError("x"), 1), (UsageError("x"), 2),
        (BudgetExceeded("3 of 3 calls"), 3), (SetupError("x"), 4),
    ],
)  # fmt: skip
def test_errors_take_their_code_from_the_table(error: Exception, code: int) -> None:
    assert getattr(error, "exit_code") == code  # noqa: B009
    assert code in set(Exit)


def test_states() -> None:
    assert state_of("finished", "verified").exit == 0
    assert state_of("interrupted", None).exit == 130
    assert state_of("awaiting-approval", None).exit == 5
    assert state_of("finished", "of another program").exit == 1


@pytest.mark.parametrize(
    ("status", "match", "answer", "word"),
    [
        ("finished", True, "6", "agrees"),
        ("finished", False, "6", "disagrees"),
        ("finished", False, None, "no answer"),
        ("finished", None, None, "no answer"),
        ("finished", None, "6", "-"),
        ("interrupted", None, None, "-"),
    ],
)
def test_the_reference_in_a_word(
    status: str, match: bool | None, answer: str | None, word: str
) -> None:
    assert reference_word(status, match, answer) == word
    assert re.fullmatch(r"[a-z -]+", word)
