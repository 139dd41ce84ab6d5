"""How runs and commands end: exit codes, reasons to stop, and the states that every command shows.

This table is the only source, and it imports nothing, because every command reads it.
``docs/exit-codes.md`` has the same table for people, and a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, TypeAlias, get_args


class Exit(IntEnum):
    """Exit codes of the command line."""

    DONE = 0
    UNSOLVED = 1
    USAGE = 2
    BUDGET = 3
    SETUP = 4
    APPROVAL = 5
    FAULT = 70
    """Fault in the program: EX_SOFTWARE of sysexits.h."""
    INTERRUPTED = 130
    """Stopped by SIGINT: the code that shells report."""


EXIT_MEANINGS: dict[Exit, str] = {
    Exit.DONE: "done: the answer is verified, or there was nothing to do",
    Exit.UNSOLVED: "not solved or not verified; something looked for is wrong or not there",
    Exit.USAGE: "bad input: an unknown option, value, name, file or id",
    Exit.BUDGET: "out of budget: calls, tokens, dollars or seconds",
    Exit.SETUP: "the machine or the endpoint lacks something",
    Exit.APPROVAL: "the plan waits for your answer",
    Exit.FAULT: "a fault in the program itself",
    Exit.INTERRUPTED: "interrupted by Ctrl-C or SIGTERM; the work is saved",
}

StopKind: TypeAlias = Literal[
    "done", "budget", "progress", "scope", "no_plan", "strategy", "unwatched", "refused", "approval",
    "stopped", "error",
]  # fmt: skip
STOP_KINDS: dict[StopKind, str] = {
    "done": "every step of the plan is closed",
    "budget": "a limit of the budget does not cover another call",
    "progress": "nothing new came of further attempts",
    "scope": "nobody in the fleet can take such a problem",
    "no_plan": "the problem could not be planned",
    "strategy": "the strategy allows no further attempt",
    "unwatched": "a step failed and the monitor was left out",
    "refused": "a person refused the plan",
    "approval": "the plan waits for a person's answer",
    "stopped": "Ctrl-C or SIGTERM",
    "error": "the machine or the endpoint failed",
}


RunStatus: TypeAlias = Literal["running", "awaiting-approval", "interrupted", "finished"]
Verdict: TypeAlias = Literal["verified", "unverified", "failed", "exhausted"]
VERDICTS: tuple[str, ...] = get_args(Verdict)


@dataclass(frozen=True)
class State:
    """A state of a run, as lists and reports show it."""

    name: str
    exit: Exit
    meaning: str
    colour: str = ""


RUN_STATES: dict[str, State] = {
    state.name: state
    for state in (
        State("running", Exit.DONE, "a process works on it"),
        State("awaiting-approval", Exit.APPROVAL, "the plan waits for your answer", "yellow"),
        State("interrupted", Exit.INTERRUPTED, "interrupted", "yellow"),
        State("verified", Exit.DONE, "verified", "green"),
        State("unverified", Exit.UNSOLVED, "not verified", "yellow"),
        State("failed", Exit.UNSOLVED, "not solved", "red"),
        State("exhausted", Exit.BUDGET, "out of budget", "red"),
    )
}
"""Name → state. The name is the verdict of a finished run, else its status."""


def state_of(status: str, verdict: str | None) -> State:
    """The state of a run with this status and verdict."""
    name = verdict if status == "finished" and verdict else status
    return RUN_STATES.get(name) or State(name, Exit.UNSOLVED, name)


def reference_word(status: str, match: bool | None, answer: str | None) -> str:
    """How a run's answer compares with the hidden reference: ``agrees``, ``disagrees``, ``no answer``,
    or ``-`` where nothing was compared."""
    if answer is None:
        return "no answer" if status == "finished" else "-"
    return {True: "agrees", False: "disagrees", None: "-"}[match]
