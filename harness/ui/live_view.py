"""Views of a running run: a live picture on a terminal, elsewhere one line for each event.

Both are observers (``harness.report.Observer``), may be called from any thread, and write to
standard error, so that standard output holds the answer alone.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.report import Event
from harness.ui.console import console
from harness.ui.live_progress import STATES, TIERS, Progress, StepLine, one_line, spent
from tiers.protocol import Budget

NARROWEST = 40
ROOMY = 14
"""Least lines of a terminal that shows the tiers' messages beside the plan."""


def window(states: list[str], room: int) -> range:
    """Steps that a picture of ``room`` lines shows: those around the work under way."""
    if len(states) <= room:
        return range(len(states))
    open_ones = [i for i, s in enumerate(states) if s in ("running", "waiting", "failed")]
    running = [i for i, s in enumerate(states) if s == "running"]
    focus = (running or open_ones or [len(states)])[0]
    first = max(0, min(focus - room // 3, len(states) - room))
    return range(first, first + room)


def left(budget: Budget, progress: Progress, seconds: float) -> str:
    """The remaining part of the limits that were set, in words."""
    parts = []
    if budget.calls is not None:
        parts.append(f"{max(0, budget.calls - progress.calls):,} calls")
    if budget.tokens is not None:
        parts.append(f"{max(0, budget.tokens - progress.tokens):,} tokens")
    if budget.cost is not None:
        parts.append(f"${max(0.0, budget.cost - progress.cost):.4f}")
    if budget.seconds is not None:
        parts.append(f"{max(0.0, budget.seconds - seconds):.0f} s")
    return ", ".join(parts)


class View:
    """Follows a run without output; the other views also show it. A context manager."""

    def __init__(self, budget: Budget | None = None, progress: Progress | None = None) -> None:
        """``progress`` is the progress of a resumed run so far."""
        self.progress = progress or Progress()
        self.budget = budget or Budget()
        self.stopping = False
        self.lock = threading.RLock()
        self.started = time.monotonic()

    def __call__(self, event: Event) -> None:
        with self.lock:
            self.progress.apply(event)
            self.show(event)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def seconds(self) -> float:
        """Seconds of work on the run, those of earlier processes included."""
        return self.progress.seconds_before + time.monotonic() - self.started

    def show(self, event: Event) -> None:
        """Show an event."""

    def stop(self) -> None:
        """Announce that the run is about to stop. Called from a signal handler: no locks, no
        buffers."""
        self.stopping = True
        os.write(2, b"stopping at the next safe point... (Ctrl-C again aborts at once)\n")

    def close(self) -> None:
        """Restore the terminal."""


class PlainView(View):
    """One line on standard error for each step that ends and for each decision that changes the
    course of the run; calls are counted there, not listed."""

    def show(self, event: Event) -> None:
        if (says := self._line(event)) is None:
            return
        name, text = says
        sys.stderr.write(f"{self.seconds:8.1f}s  {name:<9}  {one_line(text)}\n")
        sys.stderr.flush()

    def _line(self, event: Event) -> tuple[str, str] | None:
        """(topic, message) of an event; ``None`` for one without news."""
        match event.kind:
            case "call" | "dispatch":
                return None
            case "monitor" if event.data.get("decision") == "continue":
                return None
            case "outcome" if step := self.progress.steps.get(str(event.data.get("step"))):
                if step.state == "failed":
                    return step.name, event.text
                who = f" by {step.specialist}" if step.specialist else ""
                result = f" {step.result}" if step.result else ""
                return step.name, f"{step.state}{who}: {step.objective}{result}"
            case _:
                return event.kind, event.text


class LiveView(View):
    """A live picture: the tiers' latest messages, the plan with its states, and the cost so far."""

    def __init__(self, budget: Budget | None = None, progress: Progress | None = None) -> None:
        super().__init__(budget, progress)
        self.console = console(stderr=True)
        self.ascii = not self.console.encoding.lower().startswith("utf")
        self.live = Live(
            get_renderable=self.picture, console=self.console, refresh_per_second=5,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def close(self) -> None:
        if self.live.is_started:
            self.live.stop()
            self.console.print()

    def stop(self) -> None:
        self.stopping = True  # The picture shows it at its next refresh, within 0.2 s.

    def picture(self) -> RenderableType:
        """The current state of the run, no higher than the terminal."""
        with self.lock:
            now, dot = self.progress, " - " if self.ascii else " · "
            width = max(NARROWEST, self.console.width)
            head = dot.join(filter(None, [now.problem or "loading", now.run_id]))
            parts: list[RenderableType] = [Text(f"{head}{dot}{self.seconds:.0f} s", "bold")]
            for tier in TIERS.values() if self.console.height >= ROOMY else ():
                if words := now.words.get(tier):
                    parts.append(_cut(f"{tier:>10}  {words}", width, "dim"))
            room = max(3, self.console.height - len(parts) - 5)
            parts.append(self._plan(room, width))
            line = spent(now.calls, now.tokens, self.seconds, now.cost)
            line += f" · {now.replayed} from the ledger" if now.replayed else ""
            rest = left(self.budget, now, self.seconds)
            line += f" · left: {rest}" if rest else ""
            parts.append(_cut(line.replace(" · ", dot), width, "dim"))
            if self.stopping:
                says = "stopping at the next safe point... (Ctrl-C again aborts at once)"
                parts.append(Text(says, "yellow"))
            return Group(*parts)

    def _plan(self, room: int, width: int) -> RenderableType:
        steps = list(self.progress.steps.values())
        shown = window([s.state for s in steps], room)
        table = Table.grid(padding=(0, 1), expand=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        for share in (10, 8, max(10, width // 2 - 22), 12, max(8, width // 2 - 26)):
            table.add_column(max_width=share, no_wrap=True, overflow="ellipsis")
        for step in steps[shown.start : shown.stop]:
            sign, plain, colour = STATES[step.state]
            mark = plain if self.ascii else sign
            cells = [mark, step.name, step.state, step.kind, step.objective]
            table.add_row(*(Text(c, colour) for c in [*cells, step.specialist, step.result]))
        above, below = steps[: shown.start], steps[shown.stop :]
        return Group(
            *([Text(f"  {_tally(above)} above", "dim")] if above else []),
            table,
            *([Text(f"  {_tally(below)} below", "dim")] if below else []),
        )


def _tally(steps: list[StepLine]) -> str:
    counts = {state: sum(s.state == state for s in steps) for state in STATES}
    return ", ".join(f"{n} {state}" for state, n in counts.items() if n)


def _cut(text: str, width: int, style: str) -> Text:
    line = Text(text, style, no_wrap=True, overflow="ellipsis")
    line.truncate(width, overflow="ellipsis")
    return line


def choose_view(
    budget: Budget, progress: Progress | None = None, *, quiet: bool, as_json: bool
) -> View:
    """The view that suits the output: a picture only where both streams go to a terminal."""
    if quiet:
        return View(budget, progress)
    both = sys.stdout.isatty() and sys.stderr.isatty()
    if both and not as_json and not console(stderr=True).is_dumb_terminal:
        return LiveView(budget, progress)
    return PlainView(budget, progress)
