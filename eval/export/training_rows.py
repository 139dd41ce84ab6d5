"""The rows of each kind of training file, made from delegations.

``sft``, ``dpo`` and ``repair`` are chat messages in trl's format; ``router`` is a plain record.
Every row has its origin in ``meta``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from eval.export.delegations import Answer, Messages, Work
from eval.export.problem_split import normal
from eval.export.run_selection import suite_of
from specialists.routing.calllog import DECIDED
from state import Usage
from tiers.prompts import criticism


@dataclass(frozen=True)
class Row:
    """One line of a file, before it is assigned to a part."""

    body: dict[str, Any]
    meta: dict[str, Any]
    work: Work
    sources: tuple[Answer, ...] = ()
    """The answers that the row contains."""
    asked: str = ""
    """The prompt in normal form; empty where rows of several problems may share it."""


Kind = Callable[[Sequence[Work]], Iterator[Row]]
"""Delegations of one run → rows."""


def sft(works: Sequence[Work]) -> Iterator[Row]:
    """The prompt and the verified answer. Earlier failed answers are left out, except for the
    criticism that the prompt itself quotes."""
    for work in works:
        if (won := work.verified) is not None:
            messages = [*won.call.prompt, _assistant(won)]
            meta = _meta(work, won)
            yield Row({"messages": messages}, meta, work, (won,), _text(won.call.prompt))


def dpo(works: Sequence[Work]) -> Iterator[Row]:
    """The task, the verified answer, and a failed answer to the same task."""
    for work, lost, won in _pairs(works):
        body = {"prompt": lost.asked, "chosen": [_assistant(won)], "rejected": [_assistant(lost)]}
        meta = {**_meta(work, won), "rejected": _lost(lost)}
        yield Row(body, meta, work, (won, lost), _text(lost.asked))


def repair(works: Sequence[Work]) -> Iterator[Row]:
    """The task, a failed answer, the public check that it failed, and the verified answer."""
    for work, lost, won in _pairs(works):
        if lost.fault:
            said = {"role": "user", "content": criticism(lost.fault)}
            messages = [*lost.asked, _assistant(lost), said, _assistant(won)]
            meta = {**_meta(work, won), "rejected": _lost(lost)}
            yield Row({"messages": messages}, meta, work, (won, lost), _text(lost.asked))


def router(works: Sequence[Work]) -> Iterator[Row]:
    """The text that the scorer saw, the chosen specialist with the scores, the outcome and the
    cost.

    Delegations without success or failure are no evidence about a choice and are left out.
    """
    for work in works:
        outcome, data = work.outcome, work.order.data
        if outcome.status not in DECIDED or "task" not in data:
            continue
        order = data["delegation"]
        calls = work.calls
        spent = Usage(
            calls=len(calls), prompt_tokens=sum(c.prompt_tokens for c in calls),
            completion_tokens=sum(c.completion_tokens for c in calls),
            seconds=sum(c.latency_s for c in calls), cost=sum(c.cost for c in calls),
        )  # fmt: skip
        body = {
            "task": data["task"], "scores": data["scores"], "chosen": order["specialist"],
            "others": order["others"], "team": order["team"], "path": data["path"],
            "outcome": outcome.status, "answered_by": work.who, "cost": asdict(spent),
        }  # fmt: skip
        answer = work.verified or (work.failed[-1] if work.failed else None)
        yield Row(body, _meta(work, answer), work)


def _pairs(works: Sequence[Work]) -> Iterator[tuple[Work, Answer, Answer]]:
    """(verified delegation, failed answer, verified answer) with equal tasks of one step."""
    for work in works:
        won = work.verified
        if won is None:
            continue
        for other in works:
            if other.step != work.step:
                continue
            for lost in other.failed:
                same_task = _text(lost.asked) == _text(won.asked)
                if same_task and normal(lost.call.response) != normal(won.call.response):
                    yield work, lost, won


def _assistant(answer: Answer) -> dict[str, Any]:
    return {"role": "assistant", "content": answer.call.response}


def _text(messages: Messages) -> str:
    return normal("\n".join(f"{m['role']}: {m['content']}" for m in messages))


def _meta(work: Work, answer: Answer | None) -> dict[str, Any]:
    """The origin of a row; the checks are those that the fleet ran on the artifact."""
    call = answer.call if answer else None
    return {
        "run": work.run.id,
        "problem": work.run.problem_id,
        "suite": suite_of(work.run),
        "step": work.step,
        "delegation": work.order.id,
        "call": call.key if call else "",
        "specialist": call.specialist if call else work.who,
        "adapter": call.adapter_digest if call else "",
        "model": call.model if call else "",
        "attempt": call.attempt if call else -1,
        "verdict": work.outcome.status,
        "checks": [c.kind for c in work.outcome.checks if c.passed],
    }


def _lost(answer: Answer) -> dict[str, Any]:
    call = answer.call
    return {
        "delegation": call.bead_id, "call": call.key, "specialist": call.specialist,
        "adapter": call.adapter_digest, "model": call.model, "attempt": call.attempt,
        "cause": answer.cause,
    }  # fmt: skip
