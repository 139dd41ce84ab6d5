"""Cost of runs by tier, specialist, problem and run, and the share of it that was wasted."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from state import BeadStore, Call, Ledger, Run
from state.errors import UsageError
from state.ledger import LOST
from tiers.budget import Price
from tiers.fleet import CHECK_SAMPLES
from tiers.protocol import Outcome

GROUPS = ("tier", "specialist", "problem", "run")


class Spent(BaseModel):
    """A sum over calls."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    """Sum of the calls' latencies."""
    dollars: float | None = 0.0
    """US dollars; ``None`` where a call's price is unknown."""
    wasted_tokens: int = 0
    """Tokens of wasted attempts: failed, repeated, or of a plan that was dropped."""

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def waste(self) -> float:
        """Share of wasted tokens; 0 where there were none."""
        return self.wasted_tokens / self.tokens if self.tokens else 0.0


class CostReport(BaseModel):
    """Sums over all calls and by group: ``by["tier"]["fleet"]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: int
    total: Spent
    by: dict[str, dict[str, Spent]] = Field(default_factory=dict)


class Prices(BaseModel):
    """Prices of calls: by tokens for each model, or by the seconds of one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Model → US dollars per million prompt and completion tokens."""
    gpu_hour: float | None = Field(default=None, ge=0)
    """US dollars per hour of the machine; a call costs the share of its latency."""

    def of(self, call: Call) -> float | None:
        """Dollars of a call; the ledger's own cost where no price is given; ``None`` if unknown."""
        if self.gpu_hour is not None:
            return call.latency_s / 3600 * self.gpu_hour
        if call.model in self.models:
            return Price(*self.models[call.model]).of(call.prompt_tokens, call.completion_tokens)
        return call.cost or None


def read_prices(path: Path) -> Prices:
    """Prices from a TOML file of ``"model" = [prompt, completion]`` in US dollars per million
    tokens.

    Raises UsageError naming the file and the fault.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        return Prices(models=table)
    except OSError as error:
        raise UsageError(f"--prices {path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--prices {path}: {error}") from None
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"][1:2])
        raise UsageError(
            f'--prices {path}: "{where}": give two numbers, [prompt, completion], in US dollars per '
            "million tokens"
        ) from None


NOTHING = CostReport(runs=0, total=Spent(), by={name: {} for name in GROUPS})
"""The report without any runs."""


def costs(store: BeadStore, runs: Sequence[Run], prices: Prices) -> CostReport:
    """Add up the ledger of ``runs``. Raises StoreError."""
    total = Spent()
    by: dict[str, dict[str, Spent]] = {name: {} for name in GROUPS}
    for run in runs:
        calls = Ledger(store).calls(run.id, lost=True)
        survived = surviving(store, run, (c for c in calls if c.finish_reason != LOST))
        for call in calls:
            spent = _spent(call, prices, wasted=call.key not in survived)
            total = _plus(total, spent)
            names = (call.tier, call.specialist, run.problem_id, run.id)
            for group, name in zip(GROUPS, names, strict=True):
                by[group][name] = _plus(by[group].get(name, Spent()), spent)
    ranked = {
        group: dict(sorted(sums.items(), key=lambda item: -item[1].tokens))
        for group, sums in by.items()
    }
    return CostReport(runs=len(runs), total=total, by=ranked)


def surviving(store: BeadStore, run: Run, calls: Iterable[Call]) -> set[str]:
    """Keys of the calls whose work is in the final result.

    A fleet call survives in the last attempt of a delegation that was verified or accepted, checks
    included; in a team, only the winner's calls survive. A call of the architect survives if its
    plan is the last one. All calls of a baseline survive, because each had a vote.
    """
    calls = list(calls)
    outcomes = {
        str(b.parent): (b.assignee, Outcome.model_validate(b.data["outcome"]))
        for b in store.of_run(run.id, "outcome", "fleet")
    }
    answered: dict[str, int] = {}
    for call in calls:
        who = outcomes[call.bead_id][0] if call.bead_id in outcomes else None
        if call.specialist == who and call.sample < CHECK_SAMPLES:
            answered[call.bead_id] = max(call.attempt, answered.get(call.bead_id, 0))
    plans = [b.data["plan"] for b in store.query(run_id=run.id, kind="step")]
    last = max(plans, default=0)
    kept = set()
    for call in calls:
        who, outcome = outcomes.get(call.bead_id, (None, None))
        if call.tier == "architect":
            alive = call.attempt == last
        elif outcome is None:
            # A baseline stores no outcomes, and a call that was cut off has none of its own.
            alive = not outcomes
        else:
            good = outcome.status in ("verified", "unverified")
            its = call.specialist == who or call.sample >= CHECK_SAMPLES
            alive = good and its and call.attempt == answered.get(call.bead_id)
        if alive:
            kept.add(call.key)
    return kept


def _spent(call: Call, prices: Prices, *, wasted: bool) -> Spent:
    tokens = call.prompt_tokens + call.completion_tokens
    return Spent(
        calls=1, prompt_tokens=call.prompt_tokens, completion_tokens=call.completion_tokens,
        seconds=call.latency_s, dollars=prices.of(call), wasted_tokens=tokens if wasted else 0,
    )  # fmt: skip


def _plus(a: Spent, b: Spent) -> Spent:
    unknown = a.dollars is None or b.dollars is None
    return Spent(
        calls=a.calls + b.calls,
        prompt_tokens=a.prompt_tokens + b.prompt_tokens,
        completion_tokens=a.completion_tokens + b.completion_tokens,
        seconds=a.seconds + b.seconds,
        dollars=None if unknown else (a.dollars or 0.0) + (b.dollars or 0.0),
        wasted_tokens=a.wasted_tokens + b.wasted_tokens,
    )


def rows(sums: Mapping[str, Spent]) -> list[list[str]]:
    """Cells of a table: name, calls, tokens, waste, seconds, dollars."""
    return [
        [
            name, f"{s.calls:,}", f"{s.tokens:,}", f"{s.waste:.0%}", f"{s.seconds:.1f}",
            "price unknown" if s.dollars is None else f"${s.dollars:.4f}",
        ]
        for name, s in sums.items()
    ]  # fmt: skip
