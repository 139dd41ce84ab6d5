"""The one exception tree of the project. Every error that a user can cause carries one clear line.

HarnessError                 exit code 1
├── UsageError               exit code 2   bad input: what, where, what to do
├── ClaimError               exit code 1   the bead is closed, blocked, taken, or there is none
├── BudgetExceeded           exit code 3   the run's one budget is spent
└── SetupError               exit code 4   the machine lacks something: sandbox, endpoint, weights
    ├── SandboxUnavailable
    │   └── SandboxMissing   no bubblewrap at all
    ├── BackendUnavailable       the model cannot be had: down, refused, no key, no money
    │   ├── BadAnswer                this one call gave nothing usable; the next may be fine
    │   │   └── RequestRefused          nor will asking again: too long, a parameter it refuses
    │   └── BackendTimeout           no answer by the deadline of the call
    ├── AdapterError             unknown, corrupted or unfit adapter
    └── StoreError               the state database cannot be opened, read or written
        └── NoStoreError         there is none at the place named
"""

from __future__ import annotations

from state.status import Exit


class HarnessError(Exception):
    """Base of all errors raised on purpose; ``str(error)`` is the line shown to the user."""

    exit_code: int = Exit.UNSOLVED


class UsageError(HarnessError):
    """The user's input is wrong; the message says what, where and what to do."""

    exit_code = Exit.USAGE


class ClaimError(HarnessError):
    """There is no bead to claim, or the given bead cannot be claimed now."""


class BudgetExceeded(HarnessError):
    """The run's budget does not cover the next call; ``limit`` says which limit, in words."""

    exit_code = Exit.BUDGET

    @property
    def limit(self) -> str:
        """The words that the error was created with."""
        return str(self.args[0])

    def __str__(self) -> str:
        return f"out of budget: {self.limit}"


class SetupError(HarnessError):
    """The environment lacks what the command needs."""

    exit_code = Exit.SETUP


class SandboxUnavailable(SetupError):
    """No sandbox on this machine, so untrusted code is refused."""


class SandboxMissing(SandboxUnavailable):
    """Bubblewrap is not installed: no code check can ever be made here."""


class BackendUnavailable(SetupError):
    """The model backend does not answer, refuses everybody, or cannot be loaded.

    This class itself means that another call would fail likewise; its subclasses concern one call.
    """


class Unanswered(BackendUnavailable):
    """A request reached the endpoint and was not answered in time: it may have been paid for."""


class BadAnswer(BackendUnavailable):
    """The backend's answer to this call was unusable: no text, no JSON, an error for this call
    alone.

    The caller loses this answer. The failure says nothing about the model; other calls may succeed.
    """


class RequestRefused(BadAnswer):
    """The backend refuses this particular request: it is longer than the context, or has a bad
    parameter."""


class PromptTooLong(RequestRefused):
    """The prompt does not fit the model's context: the code that built the prompt is at fault."""


class BackendTimeout(BackendUnavailable):
    """No answer arrived by the deadline of the call.

    ``spent`` is the cost until then, (prompt, completion) tokens, where the backend knows it.
    """

    spent: tuple[int, int] | None = None


class AdapterError(SetupError):
    """An adapter is unknown, corrupted, or does not fit the base model."""


class StoreError(SetupError):
    """The state database cannot be opened, read or written."""


class NoStoreError(StoreError):
    """There is no state database at the named place, and a reading command does not create one."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"there is no store at {place}; check the place, or make one with `harness bead create`"
        )
        self.place = place
