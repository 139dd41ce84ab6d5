"""Interactive control of a run: it stops on Ctrl-C, pauses for approval, and prints a summary at
its end."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import typer

from harness.cli.hints import Hint, go_on
from harness.report import RunReport
from harness.ui.console import console
from harness.ui.live_progress import clean
from harness.ui.live_view import View, choose_view
from harness.ui.run_records import progress_of, recorded_run
from harness.ui.summary import awaiting, conclude
from state.errors import AdapterError, BackendUnavailable, HarnessError, UsageError

Work = Callable[[asyncio.Event], Coroutine[Any, Any, RunReport]]
INSIST_S = 0.3
"""Seconds within which a further signal is an echo of the first (``timeout`` sends two), not a
second request."""


def drive(work: Work, view: View, run_id: str = "") -> RunReport:
    """Run ``work`` under ``view``. Ctrl-C and SIGTERM stop it softly, a second Ctrl-C at once.

    An error gets a note that says how to continue.
    """

    async def attended() -> RunReport:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        first = 0.0

        def on_signal(number: int, frame: FrameType | None) -> None:
            nonlocal first
            if not first:
                first = time.monotonic()
                view.stop()
                loop.call_soon_threadsafe(stop.set)
            elif number == signal.SIGINT and time.monotonic() - first > INSIST_S:
                _abort(view, run_id)

        signals = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(one, on_signal) for one in signals]
        try:
            return await work(stop)
        finally:
            for one, handler in zip(signals, before, strict=True):
                # A late echo of the signal must not cut off the last output of a stopped run.
                signal.signal(one, signal.SIG_IGN if first else handler)

    try:
        with view:
            return asyncio.run(attended())
    except HarnessError as error:
        known = run_id or view.progress.run_id
        if known and not isinstance(error, UsageError):
            error.add_note(_how_to_go_on(known, error))
        raise


def _how_to_go_on(run_id: str, error: HarnessError) -> Hint:
    """The resume command, with the options that may change where the endpoint was at fault."""
    command = f"harness resume {run_id}"
    if isinstance(error, BackendUnavailable | AdapterError):
        options = json.loads(recorded_run(run_id).config_json)
        if options.get("backend") == "openai":
            command += ", with --base-url URL or --model NAME if they were wrong"
    return go_on(command)


def _abort(view: View, run_id: str) -> NoReturn:
    """End the process at once: finished work is saved, and sandboxes end with their parent
    process."""
    view.close()
    known = run_id or view.progress.run_id
    line = f"aborted; continue with: harness resume {known}\n" if known else "aborted\n"
    os.write(2, line.encode())
    os._exit(130)


def follow(
    report: RunReport,
    view: View,
    api_key: str | None,
    *,
    as_json: bool,
    quiet: bool,
    edit: bool = False,
) -> NoReturn:
    """Ask about plans as long as the run waits for approval and a person is present; then print the
    summary."""
    plan, draft, refused, asked = view.progress.plan, "", "", False
    while report.status == "awaiting-approval" and is_attended() and not as_json:
        plan = view.progress.plan or plan
        answer, asked = _ask(plan, draft or plan, refused, edit=edit), True
        edit, refused = False, ""
        if answer is None:
            break
        standing = progress_of(recorded_run(report.run_id))
        view = choose_view(view.budget, standing, quiet=quiet, as_json=as_json)
        try:
            report = drive(_resumption(report.run_id, view, answer, api_key), view, report.run_id)
        except UsageError as error:
            if answer["decision"] != "edit":
                raise
            draft, refused = answer["plan"], str(error)
    if as_json:
        print(report.model_dump_json())
    if report.status == "awaiting-approval":
        awaiting(report, "" if asked else plan, as_json=as_json)
    elif not as_json:
        conclude(report)
    raise typer.Exit(report.exit_code)


def is_attended() -> bool:
    """Whether a person is present who can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _resumption(run_id: str, view: View, answer: dict[str, Any], api_key: str | None) -> Work:
    async def work(stop: asyncio.Event) -> RunReport:
        from harness import engine

        return await engine.resume(run_id, view, stop=stop, approval=answer, api_key=api_key)

    return work


def read_answer(approve: str | None, plan: Path | None) -> dict[str, Any] | None:
    """The approval given on the command line; ``edit`` without a plan means that it is still to be
    edited.

    Raises UsageError.
    """
    if approve not in (None, "yes", "no", "edit"):
        raise UsageError(f"--approve: should be yes, no or edit, not {approve!r}")
    if approve == "edit" and plan is None and not is_attended():
        raise UsageError("--approve edit needs a terminal; elsewhere use --plan FILE")
    if plan is None:
        return None if approve is None else {"decision": approve, "plan": None}
    if approve == "no":
        raise UsageError("--approve no refuses the plan, --plan FILE replaces it: give one of them")
    try:
        text = plan.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"--plan {plan}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"--plan {plan}: is not UTF-8 text") from None
    if not text.strip():
        raise UsageError(f"--plan {plan}: is empty")
    return {"decision": "edit", "plan": text}


def _ask(plan: str, draft: str, refused: str, *, edit: bool) -> dict[str, Any] | None:
    """A person's answer to the plan; ``None`` when they leave without one.

    ``draft`` is the text from which editing continues, ``refused`` the reason why the last edit was
    refused.
    """
    screen = console(stderr=True)
    if refused:
        screen.print(f"{refused}; the plan is as it was", style="red")
    elif not edit:
        screen.print(clean(plan.rstrip()))
    while True:
        word = "edit" if edit else _prompt("Run this plan? [yes / edit / no] ")
        edit = False
        match word:
            case None:
                return None
            case "y" | "yes":
                return {"decision": "yes", "plan": None}
            case "n" | "no":
                return {"decision": "no", "plan": None}
            case "e" | "edit":
                text = edit_text(draft)
                if text.strip() and text != plan:
                    return {"decision": "edit", "plan": text}
                screen.print("the plan is as it was")


def _prompt(question: str) -> str | None:
    sys.stderr.write(question)
    sys.stderr.flush()
    try:
        line = sys.stdin.readline()
    except KeyboardInterrupt:
        line = ""
    if not line:
        sys.stderr.write("\n")
        return None
    return line.strip().lower()


def edit_text(text: str) -> str:
    """``text`` after a person edited it in $VISUAL, $EDITOR or vi. Raises UsageError."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="harness-") as folder:
        file = Path(folder, "plan.yaml")
        file.write_text(text, "utf-8")
        try:
            subprocess.run([*shlex.split(editor), str(file)], check=True)
            return file.read_text("utf-8")
        except (OSError, ValueError) as error:
            raise UsageError(f"editor {editor!r} cannot be used: {error}; set EDITOR") from None
        except subprocess.CalledProcessError as error:
            raise UsageError(f"editor {editor!r} ended with code {error.returncode}") from None
