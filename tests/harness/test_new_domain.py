"""The domain that ``docs/new-domain.md`` builds: announced as a package would, solved by the tiers."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from eval import Problem
from eval.errors.run_failures import failures
from eval.origin import Oracle
from eval.schema import problem_from
from harness import doctor, routing
from specialists.backends.base import GenerateRequest
from specialists.registry import Card
from specialists.routing import PlainRouter
from state import BeadStore, Runs, database_url
from state.errors import UsageError
from tests.announcing import announce, announced
from tests.harness.memory_runs import Lab
from tests.oracle import CARDS, Best, OracleBackend
from tiers.domains import installed
from tiers.protocol import Plan, Task

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "new-domain.md").read_text("utf8")
SNIPPETS = re.findall(r"```(python|toml|yaml|sh)\n(.*?)```", PAGE, re.S)
(CODE, PLAYER), (PYPROJECT,), (PROBLEM,), (COMMANDS,) = (
    [code for written, code in SNIPPETS if written == language]
    for language in ("python", "toml", "yaml", "sh")
)
FLEET = [
    *CARDS,
    Card(name="hanoi", domain="hanoi", description="moves disks", adapter="f" * 16, base="b" * 16),
]
PEGS = "ABC"


class Even:
    """A scorer that gives every specialist the same score, so that the native domain decides."""

    async def score(self, tasks: Sequence[str], cards: Sequence[Card]) -> np.ndarray:
        return np.zeros((len(tasks), len(cards)))


@pytest.fixture
def hanoi(tmp_path: Path) -> Iterator[Any]:
    with announced(towers(tmp_path), "hanoi", PYPROJECT):
        yield importlib.import_module("hanoi")


def towers(folder: Path) -> Path:
    """The folder that the page builds."""
    (folder / "hanoi").mkdir()
    for name, text in {
        "hanoi/__init__.py": CODE, "pyproject.toml": PYPROJECT, "hanoi.yaml": PROBLEM,
        "player.py": PLAYER,
    }.items():  # fmt: skip
        (folder / name).write_text(text, "utf8")
    return folder


def problem(disks: int) -> Problem:
    """The page's problem with another number of disks."""
    fields = yaml.safe_load(
        PROBLEM.replace("4 disks", f"{disks} disks").replace("CCCC", "C" * disks)
    )
    return problem_from(fields, "here", f"hanoi-{disks}")


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lab:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "home"))
    made = Lab(monkeypatch)
    monkeypatch.setattr(routing, "open_router", lambda *surroundings: PlainRouter(Even(), Best()))
    return made


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
        asked = re.search(r"^move (\d+): ([ABC]+)$", prompt, re.M)
        assert asked, prompt
        if answers := self.wrong.get(int(asked[1])):
            return answers.pop(0)
        pegs, (source, target) = asked[2], self.right[int(asked[1])]
        disk = pegs.index(PEGS[source])  # The smallest on that peg.
        return f"{pegs[:disk]}{PEGS[target]}{pegs[disk + 1 :]}"


def test_the_page_is_short() -> None:
    assert sum(len(code.splitlines()) for _, code in SNIPPETS) < 120
    assert PAGE.count("\n```") == 2 * (len(SNIPPETS) + 1)  # The other one draws the folder.


@pytest.mark.slow
def test_the_commands_of_the_page(tmp_path: Path) -> None:
    folder = towers(tmp_path)
    announce(folder, "hanoi", PYPROJECT)
    script, player, port = COMMANDS, folder / "player.py", str(free_port())
    assert "8321" in script
    player.write_text(PLAYER.replace("8321", port), "utf8")
    command = f"{shlex.quote(sys.executable)} -m harness run"
    script = script.replace("8321", port).replace("harness run", command)
    script = script.replace("python player.py", f"{shlex.quote(sys.executable)} player.py")
    script = script.replace(
        "player.log &\n", "player.log &\ntrap 'kill $! 2> /dev/null || true' EXIT\nsleep 1\n"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HARNESS_")}
    home = {"HARNESS_HOME": str(tmp_path / "home"), "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        ["bash", "-euc", script], cwd=folder, text=True, capture_output=True,
        env={**clean, **home}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("CCCC\n") == 2
    assert done.stdout.count("verified: 15 checked for being a legal move") == 2
    assert done.stdout.count("hidden reference: agrees") == 2


@pytest.mark.slow
def test_the_doctor_lists_it(hanoi: Any) -> None:
    found = {finding.name: finding for finding in doctor.examine()}["domains"]
    assert (found.state, found.detail) == ("ok", "function, story, text, hanoi")


@pytest.mark.slow
@pytest.mark.parametrize("disks", [1, 2, 3, 4, 5])
def test_the_tiers_solve_it_a_move_a_step(hanoi: Any, lab: Lab, disks: int) -> None:
    backend = Mover(disks)
    report = lab.run(problem(disks), backend, FLEET)
    assert (report.verdict, report.reference_match) == ("verified", True)
    assert report.calls == 2**disks - 1
    assert {request.adapter for request in backend.calls} == {"f" * 16}
    first = lab.decisions(report)[0]
    assert first.title == "plan: each move can be checked by itself"
    assert f"{2**disks - 1} checked for being a legal move" in report.checks


@pytest.mark.slow
def test_an_illegal_move_is_tried_again(hanoi: Any, lab: Lab) -> None:
    wrong = {2: ["CCA", "I cannot tell."]}
    report = lab.run(problem(3), Mover(3, wrong), FLEET)
    assert report.verdict == "verified"
    assert report.calls == 7 + 2


def origins() -> set[tuple[str, str]]:
    """(kind of step, tier) of what failed in the fleet in any run, as attribution has it."""
    store = BeadStore.open(database_url())
    try:
        runs = {run.id: run for run in Runs(store).list(limit=None)}
        oracle, found = Oracle(store, runs), failures(store, runs.values())
        return {(f.step or "", oracle.origin(f)) for f in found if f.tier == "fleet"}
    finally:
        store.close_database()


@pytest.mark.slow
def test_a_legal_but_wrong_end_is_refused_and_traced_to_the_fleet(hanoi: Any, lab: Lab) -> None:
    report = lab.run(problem(1), Mover(1, {1: ["B"] * 99}), FLEET)
    assert report.verdict != "verified"
    assert origins() == {("move", "fleet")}


@pytest.mark.slow
def test_a_plan_that_stops_short_is_traced_to_the_architect(
    hanoi: Any, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = hanoi.Hanoi.decompose

    async def short(self: Any, context: Any, number: int) -> Plan:
        plan = await whole(self, context, number)
        steps = plan.steps[:-1]
        return plan.model_copy(update={"steps": steps, "answer": {"": steps[-1].name}})

    monkeypatch.setattr(hanoi.Hanoi, "decompose", short)
    report = lab.run(problem(2), Mover(2), FLEET)
    assert report.verdict != "verified"
    assert origins() == {("move", "architect")}


@pytest.mark.parametrize("disks", [1, 2, 3, 4, 6])
def test_what_is_redone_is_right(hanoi: Any, disks: int) -> None:
    craft = installed().craft("move", {})
    state = "A" * disks
    for number in range(1, 2**disks):
        state = craft.redo(f"move {number}: {state}")
    assert state == "C" * disks


@pytest.mark.parametrize(
    ("statement", "chance"),
    [
        ("Move a tower of 12 disks from peg A to peg C.", 1.0),
        ("Move a tower of 13 disks from peg A to peg C.", 0.0),
        ("Move a tower of 3 disks from peg B to peg C.", 0.0),
    ],
)
def test_it_recognises_what_it_can_take_apart(hanoi: Any, statement: str, chance: float) -> None:
    domain = next(domain for domain in installed() if domain.name == "hanoi")
    assert domain.recognise(Task(id="x", kind="text", statement=statement), FLEET) == chance


def test_without_the_package_its_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="kind"):
        problem(3)
