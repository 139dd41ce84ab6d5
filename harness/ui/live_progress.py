"""The progress of a run, computed from its events: the state behind every view of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.report import Event

TIERS = {"monitor": "monitor", "plan": "architect", "dispatch": "dispatcher", "outcome": "fleet"}
"""Kind of event → the tier that sends it."""
STATES = {
    "given": ("●", "=", "cyan"),
    "verified": ("✓", "+", "green"),
    "running": ("▸", ">", "yellow"),
    "waiting": ("·", ".", "dim"),
    "unverified": ("?", "?", "magenta"),
    "failed": ("✗", "x", "red"),
}
"""State of a step → its sign, its sign in ASCII, its colour."""
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def clean(text: str) -> str:
    """``text`` without control characters, because the output of a model must not control the
    terminal.

    Lone surrogates are removed too, because no terminal and no file can hold them.
    """
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """``text`` on one line, cleaned."""
    return " ".join(clean(text).split())


@dataclass
class StepLine:
    """One step as the live picture shows it."""

    name: str
    kind: str
    objective: str
    state: str = "waiting"
    specialist: str = ""
    artifact: str = ""
    attempts: int = 0
    sent: int = 0
    """Times that the step was dispatched."""

    @property
    def result(self) -> str:
        """The artifact of the step, and the attempts that it took beyond the first."""
        tries = [f"= {self.artifact}"] if self.artifact else []
        tries += [f"{self.attempts} tries"] if self.attempts > 1 else []
        tries += [f"sent {self.sent} times"] if self.sent > 1 else []
        return " · ".join(tries)


@dataclass
class Progress:
    """The progress after the events so far."""

    run_id: str = ""
    problem: str = ""
    steps: dict[str, StepLine] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    """Tier → its latest message."""
    calls: int = 0
    tokens: int = 0
    cost: float = 0.0
    replayed: int = 0
    """Calls that were answered from the ledger, at no cost."""
    seconds_before: float = 0.0
    """Seconds of work by earlier processes on the run."""
    plan: str = ""
    """The plan that waits for approval, as YAML."""

    def apply(self, event: Event) -> None:
        """Update the progress with one event; missing data change nothing."""
        data = event.data
        if event.kind in TIERS:
            self.words[TIERS[event.kind]] = one_line(event.text)
        match event.kind:
            case "start":
                self.run_id = str(data.get("run_id", self.run_id))
                self.problem = str(data.get("problem", self.problem))
            case "plan":
                self._replan(data.get("steps", []))
            case "approval":
                self.plan = str(data.get("plan", ""))
            case "dispatch":
                if step := self.steps.get(str(data.get("step"))):
                    step.state, step.specialist = "running", str(data.get("specialist", ""))
                    step.sent += 1
            case "outcome":
                self._close(data)
            case "call":
                self.calls = int(data.get("calls", self.calls))
                self.tokens = int(data.get("total_tokens", self.tokens))
                self.cost = float(data.get("cost", self.cost))
                self.replayed += bool(data.get("replayed"))
            case _:
                pass

    def _replan(self, steps: list[dict[str, Any]]) -> None:
        before, self.steps = self.steps, {}
        for step in steps:
            id = str(step["id"])
            line = before.get(id) or StepLine(
                one_line(str(step.get("name", id))),
                str(step.get("kind", "")),
                one_line(str(step.get("objective", ""))),
                "given" if step.get("given") else "waiting",
            )
            self.steps[id] = line

    def _close(self, data: dict[str, Any]) -> None:
        step = self.steps.get(str(data.get("step")))
        if step is None:
            return
        status = str(data.get("status", ""))
        step.state = status if status in ("verified", "unverified") else "failed"
        step.specialist = str(data.get("specialist") or step.specialist)
        step.artifact = one_line(str(data.get("artifact") or ""))[:60]
        step.attempts = int(data.get("attempts") or 0)


def spent(calls: int, tokens: int, seconds: float, cost: float) -> str:
    """The cost line; dollars where there is a price."""
    call = "call" if calls == 1 else "calls"
    dollars = f" · ${cost:.4f}" if cost else ""
    return f"{calls:,} {call} · {tokens:,} tokens · {seconds:.1f} s{dollars}"
