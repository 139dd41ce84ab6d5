"""Interactive control of a sweep: it stops on a signal and reports how to continue."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

import typer

from harness.cli.hints import go_on
from harness.cli.interactive import INSIST_S
from state.errors import HarnessError, StoreError, UsageError
from tiers.model_calls import Interrupted

Result = TypeVar("Result")
KEY, HIDDEN = "--api-key", "..."
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def attend(
    work: Callable[[], Coroutine[Any, Any, Result]],
    context: typer.Context,
    standing: Callable[[], str],
) -> Result:
    """Run ``work``. Ctrl-C and SIGTERM stop it, a second Ctrl-C stops it at once.

    ``standing`` says how much is done and kept. Raises Interrupted for stopped work. For this and
    every other error except a wrong command line, the standing is printed first, and the error gets
    a note that says how to continue.
    """
    note = _note(context)

    async def attended() -> Result:
        with _signals(note):
            return await work()

    try:
        return asyncio.run(attended())
    except UsageError:
        raise
    except (asyncio.CancelledError, KeyboardInterrupt, Interrupted):
        stopped: HarnessError = Interrupted("stopped on request")
    except OSError as error:
        stopped = StoreError(f"cannot go on: {error}")
    except Exception as error:
        _tell(standing, error, note)
        raise
    _tell(standing, stopped, note)
    raise stopped


def _tell(standing: Callable[[], str], error: Exception, note: str) -> None:
    print(standing(), file=sys.stderr, flush=True)
    error.add_note(note)


@contextmanager
def noting(context: typer.Context) -> Iterator[None]:
    """Adds the note on how to continue to errors after the sweep, such as a full disk."""
    try:
        yield
    except HarnessError as error:
        error.add_note(_note(context))
        raise


def _note(context: typer.Context) -> str:
    return go_on(same_command(context))


def same_command(context: typer.Context) -> str:
    """The running command line as a person would type it again, without the API key."""
    words = list(context.find_root().obj or sys.argv[1:])
    for place, word in enumerate(words):
        if word.startswith(f"{KEY}="):
            words[place] = f"{KEY}={HIDDEN}"
        elif word == KEY and place + 1 < len(words):
            words[place + 1] = HIDDEN
    return shlex.join(["harness", *words])


def kept(done: int, of: int, what: str = "attempts") -> str:
    """Progress of a sweep, in words."""
    return f"{done} of {of} {what} are done and kept, what was under way is not counted"


@contextmanager
def _signals(note: str) -> Iterator[None]:
    """Signal handlers for a sweep: the first signal cancels the running task, a second Ctrl-C ends
    the process."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    first = 0.0

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if not first:
            first = time.monotonic()
            os.write(2, b"stopping: what is under way is given up\n")
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)
        elif number == signal.SIGINT and time.monotonic() - first > INSIST_S:
            os.write(2, f"aborted ({note})\n".encode())
            os._exit(130)

    before = [signal.signal(one, on_signal) for one in SIGNALS]
    try:
        yield
    finally:
        for one, handler in zip(SIGNALS, before, strict=True):
            # A late echo of the signal must not cut off the last output of a stopped sweep.
            signal.signal(one, signal.SIG_IGN if first else handler)
