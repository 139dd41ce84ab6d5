"""Measure the pocket fleet on held-out tasks, promote what passes the gate, and write the figures.

    python -m scripts.evaluate_pocket --count 500 --out docs/benchmarks/pocket.json

Greedy decoding on the weights as shipped. Cells: each specialist on each cell of its own domain.
Table: every adapter, the bare base, and the base under the domain tag that its pre-training knew, on
every domain, cells in equal shares. Gate: an adapter is promoted when it beats the bare base, asked in
the same words, on the same tasks, McNemar exact p < 0.05, and the tagged base does not beat it so;
controls stay controls. With names, only these adapters' rows are measured and put into the file.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from eval.statistics import discordant, mcnemar, wilson
from eval.validators import validators
from specialists.backends.base import GenerateRequest, Message, Sampling
from specialists.backends.local import LocalBackend
from specialists.pocket.domains import CELLS, SPECIALISTS, Example, held_out_examples, judge
from specialists.registry import ADAPTERS_FOLDER, BASE_FOLDER, CARD_FILE, Card, Registry
from tiers.protocol import Check

BATCH = 256
BARE, TAGGED = "base", "base, tagged"


class Bench:
    """Answers and judges batches of examples."""

    def __init__(self, backend: LocalBackend) -> None:
        self.backend = backend
        self.function = validators()["function"]

    async def right(
        self, card: Card | None, examples: list[Example], *, tag: bool = False
    ) -> list[bool]:
        """Whether each answer of ``card``'s adapter (or of the base, tagged or not) is right."""
        out: list[bool] = []
        for start in range(0, len(examples), BATCH):
            part = examples[start : start + BATCH]
            answers = await self.backend.generate([self._request(card, e, tag) for e in part])
            out += await asyncio.gather(
                *(self._judge(e, a.text) for e, a in zip(part, answers, strict=True))
            )
        return out

    def _request(self, card: Card | None, example: Example, tag: bool) -> GenerateRequest:
        head = (Message(role="system", content=example.domain),) if tag else ()
        if card and card.domain == example.domain:
            longest = card.max_tokens
        else:  # A wrong answer need not be generated to its end.
            longest = int(1.5 * len(self.backend.token_ids(example.answer))) + 16
        return GenerateRequest(
            messages=(*head, Message(role="user", content=example.prompt)),
            adapter=card.adapter if card else None,
            sampling=Sampling(max_tokens=longest),
        )

    async def _judge(self, example: Example, text: str) -> bool:
        verdict = judge(example, text)
        if verdict is not None:
            return verdict
        if text.strip() == example.answer:  # The reference itself passes by construction.
            return True
        try:
            ast.parse(text)
        except (SyntaxError, ValueError):
            return False
        spec = {"entry_point": example.data["entry_point"], "cases": example.data["cases"]}
        return (await self.function.validate(text, Check(kind="function", spec=spec))).passed


def mixed(domain: str, count: int, seed: int) -> list[Example]:
    """``count`` held-out examples of a domain, cells in equal shares."""
    cells = list(CELLS[domain])
    return [
        e
        for k, cell in enumerate(cells)
        for e in held_out_examples(
            domain, cell, count // len(cells) + (k < count % len(cells)), seed
        )
    ]


async def measure(count: int, table: int, names: list[str]) -> dict[str, Any]:
    registry = Registry.load(ADAPTERS_FOLDER)
    backend = LocalBackend(BASE_FOLDER, threads=2, max_batch=BATCH)
    cards = [c for c in registry.cards() if not names or c.name in names]
    for card in cards:
        await backend.load(registry.ref(card.name))
    bench = Bench(backend)
    result: dict[str, Any] = {
        "count": count,
        "table_count": table,
        "cells": {},
        "table": {},
        "gate": {},
    }
    for card in cards:
        for cell in CELLS[card.domain] if card.domain in SPECIALISTS else ():
            examples = held_out_examples(card.domain, cell, count, 0)
            won = sum(await bench.right(card, examples))
            low, high = wilson(won, count)
            result["cells"][f"{card.domain}/{cell}"] = [won / count, low, high]
            print(f"{card.domain}/{cell}: {won}/{count}", file=sys.stderr, flush=True)
    for domain in SPECIALISTS:
        examples = mixed(domain, table, 1)
        rows: dict[str, list[bool]] = {
            BARE: await bench.right(None, examples),
            TAGGED: await bench.right(None, examples, tag=True),
        }
        for card in cards:
            rows[card.name] = await bench.right(card, examples)
        for name, right in rows.items():
            low, high = wilson(sum(right), table)
            result["table"].setdefault(name, {})[domain] = [sum(right) / table, low, high]
        print(domain, {n: sum(r) for n, r in rows.items()}, file=sys.stderr, flush=True)
        if domain in rows:
            result["gate"][domain] = {
                other: _paired(rows[domain], rows[other]) for other in (BARE, TAGGED)
            }
    await backend.close()
    return result


def _paired(ours: list[bool], theirs: list[bool]) -> dict[str, float]:
    """Tasks that only one of two got right, and McNemar's exact p."""
    better, worse = discordant([a - b for a, b in zip(ours, theirs, strict=True)])
    return {"better": better, "worse": worse, "p": mcnemar(better, worse)}


def merged(before: dict[str, Any], result: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """``before`` with the rows of ``names`` out of ``result``; both of the same size."""
    for size in ("count", "table_count"):
        if before[size] != result[size]:
            sys.exit(f"{size} is {before[size]} in the file, {result[size]} now: take the same")
    rows = {name: result["table"][name] for name in names}
    return {
        **before,
        "cells": before["cells"] | result["cells"],
        "table": dict(sorted((before["table"] | rows).items())),
        "gate": before["gate"] | result["gate"],
    }


def render(result: dict[str, Any]) -> str:
    """The figures as Markdown."""

    def cell(value: list[float]) -> str:
        return f"{100 * value[0]:.1f} ({100 * value[1]:.1f}-{100 * value[2]:.1f})"

    lines = [
        "# The pocket fleet, measured", "",
        f"Percent right of {result['count']} held-out tasks a cell, greedy, with 95% Wilson intervals.",
        "", "## Each specialist on the cells of its domain", "", "| cell | right |", "| --- | --- |",
        *(f"| {name} | {cell(value)} |" for name, value in result["cells"].items()),
        "", "## Every adapter on every domain", "",
        f"{result['table_count']} tasks a domain. `{BARE}` is the model without adapter; `{TAGGED}` has "
        "the domain's name as system message.", "",
        "| adapter | " + " | ".join(SPECIALISTS) + " |", "| --- " * (len(SPECIALISTS) + 1) + "|",
        *(
            f"| {name} | " + " | ".join(cell(row[d]) for d in SPECIALISTS) + " |"
            for name, row in result["table"].items()
        ),
        "", "## The gate: specialist against the base on the same tasks, McNemar exact", "",
        "| domain | against | only the specialist right | only the base right | p |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {d} | {other} | {g['better']} | {g['worse']} | {g['p']:.2g} |"
            for d, gates in result["gate"].items()
            for other, g in gates.items()
        ),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _beats(gate: dict[str, float], by: int = 1) -> bool:
    return gate["p"] < 0.05 and by * (gate["better"] - gate["worse"]) > 0


def promote(result: dict[str, Any]) -> None:
    """Write metrics and status into the cards."""
    for folder in sorted(p for p in ADAPTERS_FOLDER.iterdir() if (p / CARD_FILE).is_file()):
        card = json.loads((folder / CARD_FILE).read_text())
        gate = result["gate"].get(card["name"])
        passed = gate is not None and _beats(gate[BARE]) and not _beats(gate[TAGGED], by=-1)
        card["status"] = (
            "control" if card["status"] == "control" else "promoted" if passed else "candidate"
        )
        card["metrics"] = {
            cell: round(v[0], 4)
            for cell, v in result["cells"].items()
            if cell.startswith(card["domain"] + "/")
        }
        (folder / CARD_FILE).write_text(json.dumps(card, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="adapters to measure; default: all")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--table", type=int, help="tasks a domain in the table; default: --count")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/pocket.json"))
    args = parser.parse_args()
    result = asyncio.run(measure(args.count, args.table or args.count, args.names))
    if args.names and args.out.exists():
        result = merged(json.loads(args.out.read_text()), result, args.names)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    args.out.with_suffix(".md").write_text(render(result))
    if not args.names:
        promote(result)


if __name__ == "__main__":
    main()
