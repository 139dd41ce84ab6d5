"""Measure how well a splitter finds the segments of a request: boundaries, labels, whole requests.

python -m scripts.research.splitting --out docs/benchmarks
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from eval.routing.routing_report import percent, table, write
from harness.cli.app import main as run_command
from harness.cli.bench import Out, show
from harness.cli.options import Json
from scripts.research.split_queries import Query, queries

Found = Sequence[tuple[str, int, int]]
"""(label, start, end) of each segment."""
Splitter = Callable[[str], Found]

_CUT = re.compile(r",?\s*(?:\band\s+)?\b(?:then|next|finally|after that)\b,?\s*|;\s*|\.\s+", re.I)
_KEY = {
    "code": re.compile(r"python|code|program|function|script|implement", re.I),
    "explain": re.compile(r"explain|describe|justify|why|reasoning", re.I),
    "solve": re.compile(r"solve|work out|compute|find|calculate|answer|determine", re.I),
}


@dataclass(frozen=True)
class Accuracy:
    """Precision and recall over all queries; ``exact`` is the share that is wholly right."""

    queries: int
    boundary_precision: float
    boundary_recall: float
    label_precision: float
    label_recall: float
    exact: float


def by_regex(text: str) -> Found:
    """The plain regular expression: cut at cue words and sentence ends, label by the first keyword."""
    spans, at = list[tuple[str, int, int]](), 0
    for match in [*_CUT.finditer(text), None]:
        end = match.start() if match else len(text)
        label = next((name for name, key in _KEY.items() if key.search(text[at:end])), None)
        if label and spans and spans[-1][0] == label:
            spans[-1] = (label, spans[-1][1], end)
        elif label:
            spans.append((label, at, end))
        at = match.end() if match else end
    return spans


def by_rules(text: str) -> Found:
    """The architect's splitter."""
    from tiers.segments import segment

    return [(one.label, one.start, one.end) for one in segment(text)]


def accuracy(queries: Sequence[Query], splitter: Splitter) -> Accuracy:
    """Micro-averaged over ``queries``.

    A boundary lies between two segments; a found one is right when a new segment starts after the
    end of the true segment before and no later than the first word of the true one after. A label is
    right when it belongs to a found segment whose both ends are right. Precision and recall are 1
    where there is nothing to find and nothing is found.
    """
    hits = found_cuts = true_cuts = named = found_labels = true_labels = exact = 0
    for query in queries:
        found = splitter(query.text)
        gaps = [
            (before[2], after[1])
            for before, after in zip(query.segments, query.segments[1:], strict=False)
        ]
        right = {
            k
            for k, (low, high) in enumerate(gaps)
            if any(low - 1 <= s <= high for _, s, _ in found[1:])
        }
        hits += len(right)
        found_cuts += len(found) - 1 if found else 0
        true_cuts += len(gaps)
        matched = _named(query, found)
        named += matched
        found_labels += len(found)
        true_labels += len(query.segments)
        exact += matched == len(query.segments) == len(found)
    return Accuracy(
        len(queries), _share(hits, found_cuts), _share(hits, true_cuts), _share(named, found_labels),
        _share(named, true_labels), _share(exact, len(queries)),
    )  # fmt: skip


def _named(query: Query, found: Found) -> int:
    """Number of found segments whose start, end and label match a true one."""
    starts = [0, *(s[1] for s in query.segments[1:])]
    ends = [*(s[2] for s in query.segments[:-1]), len(query.text)]
    lows = [0, *(s[2] - 1 for s in query.segments[:-1])]
    highs = [*(s[1] for s in query.segments[1:]), len(query.text)]
    count = 0
    for k, (label, _, _) in enumerate(query.segments):
        first, last = k == 0, k + 1 == len(query.segments)
        for n, (name, start, end) in enumerate(found):
            begins = n == 0 if first else lows[k] <= start <= starts[k]
            stops = n + 1 == len(found) if last else ends[k] - 1 <= end <= highs[k]
            count += name == label and begins and stops
    return count


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def measure(templates: int = 200, seed: int = 0) -> dict[str, Any]:
    """The splitter and the plain expression on the queries by hand and by template."""
    everything = queries(templates, seed)
    splitters: dict[str, Splitter] = {"splitter": by_rules, "plain regex": by_regex}
    rows = [
        {"source": source, "splitter": name, **asdict(accuracy(part, splitter))}
        for source in ("hand", "template")
        for part in [[q for q in everything if q.source == source]]
        for name, splitter in splitters.items()
    ]
    return {"queries": len(everything), "rows": rows}


def split_lines(part: Mapping[str, Any]) -> list[str]:
    """The splitter beside a plain regular expression."""
    names = ("boundary_precision", "boundary_recall", "label_precision", "label_recall", "exact")
    return [
        f"# Splitting requests: {part['queries']} queries", "",
        "`python -m scripts.research.splitting`. Development figures: queries and cue words have "
        "the same author. A label is right when both ends of its segment are.", "",
        *table(
            ("queries", "splitter", "count", *(n.replace("_", " ") for n in names)),
            [
                (r["source"], r["splitter"], str(r["queries"]), *(percent(r[n]) for n in names))
                for r in part["rows"]
            ],
        ),
    ]  # fmt: skip


app = typer.Typer(add_completion=False)


@app.command()
def splitting(
    out: Out = None,
    templates: Annotated[int, typer.Option(help="Queries drawn from templates.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of those queries.")] = 0,
    as_json: Json = False,
) -> None:
    """The splitter of requests beside a plain regular expression."""
    from state import writable_home

    part = measure(templates, seed)
    write((out or writable_home() / "benchmarks") / "splitting", part, split_lines(part))
    if as_json:
        print(json.dumps(part))
    else:
        show(split_lines(part))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as the command line says, and give the exit code."""
    return run_command(arguments, app, "python -m scripts.research.splitting")


if __name__ == "__main__":
    sys.exit(main())
