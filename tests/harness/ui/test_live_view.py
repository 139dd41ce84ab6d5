"""The views of a running run."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.report import Event
from harness.ui.live_progress import Progress, clean, one_line
from harness.ui.live_view import LiveView, PlainView, left, window
from tests.harness.fake_engine import STEPS
from tiers.protocol import Budget


def event(kind: str, text: str = "", **data: object) -> Event:
    return Event.model_validate({"kind": kind, "text": text, "data": data})


def picture(view: LiveView, width: int = 80, height: int = 24, encoding: str = "utf-8") -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    view.console = Console(file=stream, width=width, height=height, force_terminal=False)
    view.ascii = not encoding.startswith("utf")
    view.console.print(view.picture())
    stream.seek(0)
    return stream.read()


def test_progress_follows_a_step_from_plan_to_outcome() -> None:
    progress = Progress()
    progress.apply(event("plan", steps=STEPS))
    assert [s.state for s in progress.steps.values()] == ["waiting", "waiting"]
    progress.apply(event("dispatch", step="hm-1", specialist="math"))
    assert progress.steps["hm-1"].state == "running"
    progress.apply(event("outcome", step="hm-1", status="exhausted", artifact=None, attempts=3))
    assert progress.steps["hm-1"].state == "failed"
    progress.apply(event("dispatch", step="hm-1", specialist="general"))
    progress.apply(event("outcome", step="hm-1", status="verified", artifact="3", attempts=1))
    step = progress.steps["hm-1"]
    assert (step.state, step.specialist, step.result) == (
        "verified", "general", "= 3 · sent 2 times"
    )  # fmt: skip


def test_a_new_plan_keeps_what_is_known_of_its_steps() -> None:
    progress = Progress()
    progress.apply(event("plan", steps=STEPS))
    progress.apply(event("outcome", step="hm-1", status="verified", artifact="3"))
    progress.apply(event("plan", steps=[STEPS[0], {**STEPS[1], "id": "hm-9", "given": True}]))
    assert [s.state for s in progress.steps.values()] == ["verified", "given"]


def test_events_about_unknown_steps_change_nothing() -> None:
    progress = Progress()
    progress.apply(event("dispatch", step="hm-0"))
    progress.apply(event("outcome", step="hm-0", status="verified"))
    progress.apply(event("note"))
    assert progress.steps == {}


def test_what_models_write_cannot_steer_the_terminal() -> None:
    assert clean("a\x1b[31mb\x1b]0;t\x07c\r\nd\te") == "ab]0;tc\nd\te"
    assert one_line("a\n  b\x00\x9bc") == "a bc"


def test_window_holds_the_work_under_way() -> None:
    states = ["verified"] * 90 + ["running"] * 2 + ["waiting"] * 108
    shown = window(states, 12)
    assert len(shown) == 12
    assert 90 in shown
    assert 91 in shown
    assert window(["waiting"] * 5, 12) == range(5)
    assert window(["verified"] * 50, 10) == range(40, 50)


def test_left_counts_only_limits_that_were_set() -> None:
    progress = Progress(calls=3, tokens=90, cost=0.25)
    assert left(Budget(), progress, 1.0) == ""
    budget = Budget(calls=10, tokens=50, cost=1.0, seconds=60)
    assert left(budget, progress, 20.0) == "7 calls, 0 tokens, $0.7500, 40 s"


@pytest.mark.parametrize("height", [10, 24, 60])
def test_a_long_plan_fits_the_terminal(height: int) -> None:
    view = LiveView(Budget(calls=500))
    steps = [{**STEPS[0], "id": f"hm-{i}", "objective": f"[bold]{i}[/bold]"} for i in range(200)]
    view.progress.apply(event("start", run_id="run-1", problem="long"))
    view.progress.apply(event("plan", "plan 0", steps=steps))
    for i in range(100):
        view.progress.apply(event("outcome", "done", step=f"hm-{i}", status="verified"))
    view.progress.apply(event("dispatch", "x", step="hm-100", specialist="math"))
    view.stop()
    lines = picture(view, height=height).splitlines()
    assert len(lines) < height
    assert all(len(line) <= 80 for line in lines)
    text = "\n".join(lines)
    assert "[bold]100[/bold]" in text
    assert "verified above" in text
    assert "waiting below" in text
    assert "left: 500 calls" in text
    assert "stopping at the next safe point" in text


def test_ascii_terminals_get_ascii() -> None:
    view = LiveView()
    view.progress.apply(event("plan", steps=STEPS))
    picture(view, encoding="ascii")  # would raise UnicodeEncodeError


def test_the_picture_names_the_steps_as_runs_show_does() -> None:
    view = LiveView()
    steps = [{**STEPS[0], "id": f"hm-{i}", "name": f"s{i}"} for i in range(1, 13)]
    view.progress.apply(event("plan", steps=steps))
    for width in (80, 60):
        lines = picture(view, width).splitlines()
        words = [line.split()[1] for line in lines if "waiting" in line]
        assert words == [f"s{i}" for i in range(1, 13)]


def told(capsys: pytest.CaptureFixture[str], *events: Event) -> list[str]:
    view = PlainView()
    for one in events:
        view(one)
    said = capsys.readouterr()
    assert said.out == ""
    return [line[11:] for line in said.err.splitlines()]


def test_without_a_terminal_there_is_one_line_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(
        capsys,
        event("plan", "plan 0 by rules", steps=[{**STEPS[0], "name": "s1"}]),
        event("dispatch", "1 + 2 → math", step="hm-1", specialist="math"),
        event("call", "fleet: math", calls=1, total_tokens=9, cost=0.0),
        event("call", "fleet: math", calls=2, total_tokens=18, cost=0.0),
        event("outcome", "1 + 2: verified", step="hm-1", status="verified", artifact="3",
              attempts=2, specialist="math"),
        event("monitor", "continue: 1 of 2 steps closed", decision="continue"),
    )  # fmt: skip
    assert lines == [
        "plan       plan 0 by rules",
        "s1         verified by math: 1 + 2 = 3 · 2 tries",
    ]


def test_a_step_that_failed_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(
        capsys,
        event("plan", "plan 0", steps=[{**STEPS[0], "name": "s1"}]),
        event("outcome", "1 + 2: failed (numeric: 4 is not 3)", step="hm-1", status="failed"),
        event("monitor", "replan:\nline two\x1b[2J", decision="replan"),
        event("outcome", "of a step that no plan knows", step="hm-0", status="failed"),
    )
    assert lines == [
        "plan       plan 0",
        "s1         1 + 2: failed (numeric: 4 is not 3)",
        "monitor    replan: line two",
        "outcome    of a step that no plan knows",
    ]
