"""The domain that ``docs/new-domain.md`` builds: announced as a package would, solved by the tiers."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval import get
from eval.failures import failures
from eval.origin import Oracle
from harness import routing
from specialists.backends.base import GenerateRequest
from specialists.registry import Card
from specialists.routing import PlainRouter
from state import BeadStore, Runs, database_url
from state.errors import UsageError
from tests.announcing import package
from tests.harness.memory_runs import Lab
from tests.oracle import CARDS, Best, OracleBackend
from tiers.domains import installed

PAGE = (Path(__file__).parents[2] / "docs" / "new-domain.md").read_text("utf8")
(CODE,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
(PYPROJECT,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
FLEET = [
    *CARDS,
    Card(name="hanoi", domain="hanoi", description="moves disks", adapter="f" * 16, base="b" * 16),
]
PEGS = "ABC"


class Even:
    """A scorer that tells no specialist from another: what is native to a kind decides."""

    async def score(self, tasks: Sequence[str], cards: Sequence[Card]) -> np.ndarray:
        return np.zeros((len(tasks), len(cards)))


@pytest.fixture
def hanoi(tmp_path: Path) -> Iterator[Any]:
    with package(tmp_path, "hanoi", CODE, PYPROJECT):
        yield importlib.import_module("hanoi")


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lab:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "home"))
    made = Lab(monkeypatch)
    monkeypatch.setattr(routing, "open_router", lambda *surroundings: PlainRouter(Even(), Best()))
    return made


def moves(disks: int, source: int = 0, target: int = 2) -> list[tuple[int, int]]:
    """The moves that are known to solve it, by recursion: the page's rule is another derivation."""
    if disks == 0:
        return []
    spare = 3 - source - target
    return [*moves(disks - 1, source, spare), (source, target), *moves(disks - 1, spare, target)]


class Mover(OracleBackend):
    """Answers a prompt of the domain; ``wrong`` maps a move's number to answers given at first."""

    def __init__(self, disks: int, wrong: dict[int, list[str]] | None = None) -> None:
        self.wrong = {number: list(answers) for number, answers in (wrong or {}).items()}
        self.right = dict(enumerate(moves(disks), 1))
        super().__init__(fault=self._moved)

    def _moved(self, request: GenerateRequest, text: str) -> str:
        prompt = request.messages[-1].content
        asked = re.search(r"^move (\d+): (.*)$", prompt, re.M)
        assert asked, prompt
        if answers := self.wrong.get(int(asked[1])):
            return answers.pop(0)
        pegs = [peg.split() for peg in asked[2].replace("-", " ").split("/")]
        source, target = self.right[int(asked[1])]
        pegs[target].append(pegs[source].pop())
        state = " / ".join(" ".join(peg) or "-" for peg in pegs)
        return f"{PEGS[source]} {PEGS[target]}: {state}"


def test_the_page_is_short() -> None:
    assert len(CODE.splitlines()) < 120


@pytest.mark.parametrize("disks", [1, 2, 3, 4, 5])
def test_the_tiers_solve_it_a_move_a_step(hanoi: Any, lab: Lab, disks: int) -> None:
    backend = Mover(disks)
    report = lab.run(get("hanoi", str(disks)), backend, FLEET)
    assert (report.verdict, report.reference_match) == ("verified", True)
    assert report.calls == 2**disks - 1
    assert {request.adapter for request in backend.calls} == {"f" * 16}
    first = lab.decisions(report)[0]
    assert first.title == "plan: each move can be checked by itself"
    assert f"{2**disks - 1} checked for being a legal move" in report.checks


def test_an_illegal_move_is_tried_again(hanoi: Any, lab: Lab) -> None:
    wrong = {2: ["A C: 3 1 / - / 2", "I cannot tell."]}
    report = lab.run(get("hanoi", "3"), Mover(3, wrong), FLEET)
    assert report.verdict == "verified"
    assert report.calls == 7 + 2


def test_a_legal_but_wrong_end_is_refused_and_traced_to_the_fleet(hanoi: Any, lab: Lab) -> None:
    report = lab.run(get("hanoi", "1"), Mover(1, {1: ["A B: - / 1 / -"] * 99}), FLEET)
    assert report.verdict != "verified"
    store = BeadStore.open(database_url())
    try:
        runs = {run.id: run for run in Runs(store).list(limit=None)}
        found = failures(store, runs.values())
        assert {f.step for f in found if f.tier == "fleet"} == {"move"}
        origins = {Oracle(store, runs).origin(f) for f in found if f.tier == "fleet"}
        assert origins == {"fleet"}
    finally:
        store.close_database()


@pytest.mark.parametrize("disks", [1, 2, 3, 4, 6])
def test_what_is_redone_is_right(hanoi: Any, disks: int) -> None:
    craft = installed().craft("move", {})
    state, end = hanoi.start_and_end(disks)
    for number in range(1, 2**disks):
        state = craft.redo(f"move {number}: {state}")
    assert state == end


def test_ids_and_kinds_are_its_own(hanoi: Any) -> None:
    assert get("hanoi", "20").kind == "hanoi"
    with pytest.raises(UsageError, match="ids look like hanoi/N"):
        get("hanoi", "21")
    assert "hanoi" in installed().problem_kinds


def test_without_the_package_it_is_unknown() -> None:
    with pytest.raises(UsageError, match="no suite 'hanoi'"):
        get("hanoi", "3")
