"""The summary at the end of a run: answer, verdict and reasons, cost, how to continue."""

from __future__ import annotations

import sys

from rich.text import Text

from harness.report import RunReport
from harness.ui.console import console
from harness.ui.live_progress import clean, one_line, spent
from state.status import RUN_STATES, State, reference_word


def conclude(report: RunReport) -> None:
    """Print the end of a run, the answer first."""
    screen = console()
    if report.status == "interrupted":
        why = f" ({one_line(report.stop_reason)})" if report.stop_reason else ""
        screen.print(Text(f"interrupted{why}", "yellow"))
    elif report.answer is None:
        screen.print(Text("no answer", "dim"))
    else:
        screen.print(Text(clean(report.answer.rstrip())), soft_wrap=True)
        screen.print()
    for line in summary(report):
        screen.print(line, soft_wrap=True)


def summary(report: RunReport) -> list[Text]:
    """Verdict with its reasons, hidden reference, specialists, cost, run id: one line each."""
    lines = []
    if report.verdict is not None:
        lines.append(_verdict(report, RUN_STATES[report.verdict]))
    if report.status == "finished":
        lines.append(_reference(report))
    if report.specialists:
        ranked = sorted(report.specialists.items(), key=lambda item: (-item[1], item[0]))
        says = ", ".join(f"{name} {count}" for name, count in ranked)
        lines.append(Text(f"calls by specialist: {says}", "dim"))
    lines.append(Text(spent(report.calls, report.tokens, report.seconds, report.cost), "dim"))
    if report.lost:
        calls = "1 call" if report.lost == 1 else f"{report.lost} calls"
        says = f"{calls} gave no answer in time, counted at the most they can have cost"
        lines.append(Text(says, "dim"))
    lines.append(Text(f"run {report.run_id}", "dim"))
    if report.status == "interrupted":
        lines.append(Text(f"continue with: harness resume {report.run_id}"))
    return lines


def _verdict(report: RunReport, state: State) -> Text:
    """The verdict, and the checks that verified the answer or why they did not."""
    meaning, why = state.meaning, report.stop_reason or ""
    if report.verdict == "verified":
        why = "; ".join(report.checks)
    elif report.verdict == "unverified":
        why = "; ".join(report.doubts) or "no check applies to this answer, so it may be wrong"
    elif report.stop_kind == "budget":  # The reason names the verdict itself.
        meaning, why = why, ""
    return Text.assemble(
        (one_line(meaning), f"bold {state.colour}"), f": {one_line(why)}" if why else ""
    )


def _reference(report: RunReport) -> Text:
    word = reference_word(report.status, report.reference_match, report.answer)
    if word not in ("agrees", "disagrees"):
        return Text("hidden reference: none, or no answer to compare", "dim")
    passed = sum(check.passed for check in report.hidden)
    score = f" ({passed} of {len(report.hidden)} hidden checks passed)" if report.hidden else ""
    if report.reference_match:
        return Text(f"hidden reference: agrees{score}", "green")
    return Text(f"hidden reference: DISAGREES{score}", "red")


def awaiting(report: RunReport, plan: str, *, as_json: bool) -> None:
    """Print how to answer a plan where no person was present to be asked."""
    if not as_json and plan:
        print(clean(plan.rstrip()))
    command = f"harness resume {report.run_id}"
    sys.stderr.write(
        f"the plan waits for your answer:\n  {command} --approve yes\n  {command} --approve no\n"
        f"  {command} --plan FILE    (the plan as you want it)\n"
    )
