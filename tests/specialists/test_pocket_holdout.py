"""The tasks on which the pocket fleet is tested never occur in its training data."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import pytest

from specialists.pocket import arithmetic, domains, functions
from specialists.pocket.domains import CELLS, Example
from specialists.pocket.heldout import held_out, pair_held_out

TRAINING = 20_000
EVERY = [(domain, cell) for domain, cells in CELLS.items() for cell in cells]
OPERATIONS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
# A left operand that itself follows an operator is no operand: "86 + 51 - 4" never takes 4 from 51.
_PAIR = re.compile(r"(?<![-+*/] )(?<![\d.])(?=(\d+) ([-+*/]) (\d+)(?!\d))")
_PARTIAL_SUM = re.compile(r"^(\d+)\+(\d+)$", re.MULTILINE)
_DIFFERENCE = re.compile(r"^(\d+)-(\d+)$", re.M)


@cache
def training() -> tuple[Example, ...]:
    return tuple(domains.training_examples(dict.fromkeys(CELLS, 1.0), TRAINING, "holdout"))


@cache
def reported_examples(domain: str, cell: str) -> tuple[Example, ...]:
    # A chunk of a held-out story must be held out itself: one draw in a hundred, so fewer of them.
    slow = domain == "explain" or cell.startswith("events")
    return tuple(domains.held_out_examples(domain, cell, 60 if slow else 300))


def told(example: Example) -> str:
    """The story of a prompt, without the numbers of its sentences."""
    rows = example.prompt.partition("story.\n")[2].splitlines()
    return " ".join(row.partition(" ")[2] for row in rows)


def held_out_pairs(text: str) -> Iterator[str]:
    for a, op, b in _PAIR.findall(text):
        if pair_held_out(op, int(a), int(b)):
            yield f"{a} {op} {b}"


def trained_with_a_held_out_pair(*, expressions: bool) -> list[tuple[str, str]]:
    return [
        (example.prompt, pair)
        for example in training()
        if (example.cell == "expression") == expressions
        for pair in held_out_pairs(f"{example.prompt}\n{example.answer}")
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("domain", "cell"), EVERY)
def test_the_same_for_the_same_seed(domain: str, cell: str) -> None:
    for test in (False, True):
        first, again = (
            [domains.draw(domain, cell, rng, test=test) for _ in range(3)]
            for rng in (random.Random("s"), random.Random("s"))
        )
        assert first == again
    assert domains.held_out_examples(domain, cell, 3) == domains.held_out_examples(domain, cell, 3)
    assert domains.held_out_examples(domain, cell, 3, seed=1) != domains.held_out_examples(
        domain, cell, 3
    )


@pytest.mark.slow
def test_training_is_the_same_for_the_same_seed() -> None:
    shares = dict.fromkeys(CELLS, 1.0)
    first = domains.training_examples(shares, 100, "a")
    assert first == domains.training_examples(shares, 100, "a")
    assert first != domains.training_examples(shares, 100, "b")
    assert {(e.domain, e.cell) for e in training()} == set(EVERY)


@pytest.mark.slow
@pytest.mark.parametrize(("domain", "cell"), EVERY)
def test_no_test_prompt_is_trained_on(domain: str, cell: str) -> None:
    prompts = {example.prompt for example in reported_examples(domain, cell)}
    assert len(prompts) == len(reported_examples(domain, cell)) >= 60
    assert not prompts & {example.prompt for example in training()}


@pytest.mark.slow
def test_no_test_story_is_told_in_another_domain() -> None:
    """A story is held out as such: neither solving, programming nor explaining it is trained."""
    cells = [("chain", "short"), ("chain", "medium"), ("chain", "long"), ("code", "story")]
    stories = {told(e) for key in cells for e in reported_examples(*key)}
    trained = {told(e) for e in training() if (e.domain, e.cell) in cells}
    assert "" not in stories | trained
    assert not stories & trained
    assert not any(held_out(story) for story in trained)


@pytest.mark.parametrize("cell", OPERATIONS)
def test_reported_pairs_are_held_out(cell: str) -> None:
    for example in reported_examples("math", cell):
        a, op, b = arithmetic.parse(example.prompt) or (0, "", 0)
        assert op == OPERATIONS[cell]
        assert pair_held_out(op, a, b)
        assert max(a, b) >= 10


def test_a_pair_is_held_out_in_both_orders() -> None:
    for a in range(60):
        for b in range(60):
            assert pair_held_out("+", a, b) == pair_held_out("+", b, a)
            assert pair_held_out("*", a, b) == pair_held_out("*", b, a)
            assert max(a, b) >= 10 or not pair_held_out("+", a, b)


@pytest.mark.slow
def test_no_held_out_pair_in_any_training_text() -> None:
    seen = sum(len(_PAIR.findall(e.answer)) for e in training())
    assert seen > 10_000
    assert trained_with_a_held_out_pair(expressions=False) == []


def test_no_held_out_pair_in_training_expressions() -> None:
    """Such a pair is shown, never worked out."""
    assert trained_with_a_held_out_pair(expressions=True) == []


def test_no_held_out_pair_among_the_partial_sums_of_products() -> None:
    """Here the sum is worked out, in columns: ``1240+3100`` under a product."""
    sums = [pair for e in training() for pair in _PARTIAL_SUM.findall(e.answer)]
    assert [pair for pair in sums if pair_held_out("+", *map(int, pair))] == []


def test_no_reported_difference_among_those_in_divisions() -> None:
    """Divisions subtract in columns too: ``526-520`` under a remainder."""
    worked = {tuple(map(int, pair)) for e in training() for pair in _DIFFERENCE.findall(e.answer)}
    asked = [arithmetic.parse(e.prompt) for e in reported_examples("math", "sub")]
    assert len(worked) > 1000
    assert [(a, b) for a, _, b in filter(None, asked) if (a, b) in worked] == []


def test_chains_start_with_a_held_out_pair() -> None:
    for example in reported_examples("math", "chain"):
        assert next(held_out_pairs(example.prompt))


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["ops2", "ops3", "ops4"])
def test_reported_combinations_are_never_trained(cell: str) -> None:
    trained = {e.data["combination"] for e in training() if e.cell.startswith("ops")}
    reported = {e.data["combination"] for e in reported_examples("code", cell)}
    assert len(reported) > 50
    assert not reported & trained
    assert all(functions.combination_held_out(c.split(">")) for c in reported)


def test_reported_pairs_of_operations_are_not_even_neighbours_in_training() -> None:
    reported = {e.data["combination"] for e in reported_examples("code", "ops2")}
    chains = [e.data["combination"].split(">") for e in training() if e.cell.startswith("ops")]
    neighbours = {f"{a}>{b}" for chain in chains for a, b in pairwise(chain)}
    assert len(neighbours) > 200
    assert not reported & neighbours


def test_a_tenth_is_held_out() -> None:
    share = sum(held_out(f"key {k}") for k in range(20_000)) / 20_000
    assert 0.09 < share < 0.11
