"""``harness export`` of training rows from real runs of the oracle."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from eval import Problem, get
from eval.export import KINDS, chosen_runs, collect
from eval.export.leaks import secrets_of
from eval.export.problem_split import part_of, problem_key
from harness import routing, wiring
from specialists.backends.base import GenerateRequest
from specialists.registry import Card
from specialists.routing import Decision, PlainRouter
from state import BeadStore, Call, Ledger, Run, Runs, database_url
from tests.harness.conftest import Cli
from tests.harness.exported_runs import WRONG, garden, leak, rows, solve, stories
from tests.oracle import CARDS, ByForm, OracleBackend, by_form, horizon_story
from tests.state.words import WordEmbedding
from tiers.protocol import Check

pytestmark = pytest.mark.slow

DOC = Path(__file__).parents[3] / "docs" / "export.md"
SECRET = "the gardener counted 918273645 blossoms"


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "open_router", by_form)
    monkeypatch.setattr(wiring, "open_embedding", lambda embedder: WordEmbedding())


def calls(run_id: str) -> list[Call]:
    store = BeadStore.open(database_url())
    found = Ledger(store).calls(run_id)
    store.close_database()
    return found


def written(cli: Cli, kind: str, *words: str) -> list[dict[str, Any]]:
    said = cli("export", kind, "-o", "rows.jsonl", "--split", "all", *words)
    assert said.code == 0, said.err
    return rows("rows.jsonl")


def test_sft_holds_the_verified_answers_and_where_they_are_from(cli: Cli) -> None:
    reports = {r.run_id: r for r in stories()}
    found = written(cli, "sft")
    for row in found:
        meta, prompt, answer = row["meta"], row["messages"][:-1], row["messages"][-1]
        (call,) = [c for c in calls(meta["run"]) if c.key == meta["call"]]
        assert (call.prompt, call.response) == (prompt, answer["content"])
        assert answer["role"] == "assistant"
        assert answer["content"] != WRONG
        assert meta["problem"] == reports[meta["run"]].problem
        assert (meta["specialist"], meta["adapter"]) == (call.specialist, call.adapter_digest)
        assert meta["model"] == "oracle"
        assert meta["verdict"] == "verified"
        assert meta["checks"] == ["inverse"]
        assert meta["suite"] == "horizon"
    texts = [json.dumps(r["messages"]) for r in found]
    assert len(set(texts)) == len(texts)
    steps = sum(s.status == "verified" for r in reports.values() for s in r.steps)
    said = json.loads(cli("export", "sft", "-o", "rows.jsonl", "--split", "all", "--json").out)
    assert said["rows"] + said["duplicates"] + said["overlaps"] == steps
    assert said["rows"] == said["train"] + said["eval"] == len(found)


def test_dpo_and_repair_put_a_failed_answer_beside_the_verified_one(cli: Cli) -> None:
    reports = stories()
    pairs, repairs = written(cli, "dpo"), written(cli, "repair")
    assert len(pairs) == len(repairs) > len(reports) / 2
    for pair, mended in zip(pairs, repairs, strict=True):
        assert pair["rejected"] == [{"role": "assistant", "content": WRONG}]
        assert pair["chosen"][0]["content"] != WRONG
        assert pair["prompt"][-1]["role"] == "user"
        assert pair["meta"]["rejected"]["cause"] in ("inverse-mismatch", "no-inverse")
        task, failed, said, fixed = mended["messages"]
        assert [task] == pair["prompt"]
        assert [failed] == pair["rejected"]
        assert [fixed] == pair["chosen"]
        assert re.search(r"That is not right: .*4321.*\. Answer again", said["content"])


def test_a_chat_model_is_told_the_public_check_in_its_own_run_and_in_the_row(cli: Cli) -> None:
    _, report = garden()
    assert report.verdict == "verified"
    (mended,) = written(cli, "repair")
    (whole,) = written(cli, "sft")
    (pair,) = written(cli, "dpo")
    assert mended["messages"] == whole["messages"]
    assert "expected '34'" in mended["messages"][-2]["content"]
    assert [m["role"] for m in pair["prompt"]] == ["system", "user"]
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("34", "thirty")


class InTurn:
    """Sends every task to math, and to chain where that fails."""

    temperature = 0.1

    def choose(self, scores: Any, cards: Sequence[Card], key: str = "") -> Decision:
        return Decision(
            specialist="math", scores={"math": 0.6, "chain": 0.4}, confidence=0.6,
            others=("chain",), team="cascade",
        )  # fmt: skip


def test_a_team_is_known_by_who_answered(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "open_router", lambda *_: PlainRouter(ByForm(), InTurn()))
    (math,) = (c.adapter for c in CARDS if c.name == "math")

    spoiled: set[str] = set()

    def fault(request: GenerateRequest, text: str) -> str:
        prompt = request.messages[-1].content
        if request.adapter != math or (spoiled and prompt not in spoiled):
            return text
        spoiled.add(prompt)
        return WRONG

    solve(get("horizon", "4-1"), OracleBackend([horizon_story(4, 1)], fault), strategy="plan")
    found = written(cli, "sft")
    assert found
    assert all(r["messages"][-1]["content"] != WRONG for r in found)
    pairs = written(cli, "dpo")
    assert {r["rejected"][0]["content"] for r in pairs} == {WRONG}
    assert {r["meta"]["rejected"]["specialist"] for r in pairs} == {"math"}
    assert {r["meta"]["specialist"] for r in pairs} == {"chain"}
    decisions = written(cli, "router")
    for row in decisions:
        assert (row["chosen"], row["others"], row["team"]) == ("math", ["chain"], "cascade")
    assert {row["answered_by"] for row in decisions} == {"math", "chain"}


def test_records_from_before_faults_were_kept(cli: Cli) -> None:
    garden()
    store = BeadStore.open(database_url())
    (bead,) = store.query(kind="outcome", tier="fleet")
    outcome = dict(bead.data["outcome"])
    tries = outcome.pop("failures")
    outcome |= {
        "version": 1, "confidence": None, "passes": [0] * len(tries),
        "signatures": [f"{one['answer_hash']}:{one['cause']}" for one in tries],
    }  # fmt: skip
    store.update(bead.id, data={**bead.data, "outcome": outcome})
    store.close_database()
    assert len(written(cli, "dpo")) == len(written(cli, "sft")) == 1
    assert (
        "no verified answer after one that failed" in cli("export", "repair", "-o", "r.jsonl").err
    )


def test_router_has_a_row_for_each_decision_that_ended(cli: Cli) -> None:
    stories()

    def always(request: GenerateRequest, text: str) -> str:
        return WRONG if request.messages[-1].content[0].isdigit() else text

    lost = solve(get("horizon", "8-1"), OracleBackend([horizon_story(8, 1)], always))
    assert lost.verdict == "failed"
    found = written(cli, "router")
    assert {row["outcome"] for row in found} == {"verified", "failed"}
    for row in found:
        assert row["scores"][row["chosen"]] == max(row["scores"].values())
        spent = [c for c in calls(row["meta"]["run"]) if c.bead_id == row["meta"]["delegation"]]
        assert row["cost"]["calls"] == len(spent) > 0
    assert {r["meta"]["verdict"] for r in written(cli, "sft")} == {"verified"}


def test_a_problem_is_in_one_part_and_no_prompt_in_both(cli: Cli) -> None:
    stories()
    share = ("--held-out", "0.5")
    whole = written(cli, "sft", *share)
    parts: dict[str, list[dict[str, Any]]] = {}
    for part in ("train", "eval"):
        assert cli("export", "sft", "-o", "part.jsonl", "--split", part, *share).code == 0
        parts[part] = rows("part.jsonl")
    assert len(whole) == len(parts["train"]) + len(parts["eval"])
    problems, prompts = (
        [{key(r) for r in parts[part]} for part in ("train", "eval")]
        for key in (lambda r: r["meta"]["problem"], lambda r: json.dumps(r["messages"][:-1]))
    )
    assert problems[0]
    assert problems[1]
    assert not problems[0] & problems[1]
    assert not prompts[0] & prompts[1]
    assert [r["meta"]["split"] for r in parts["eval"]] == ["eval"] * len(parts["eval"])
    one = rows("part.jsonl")[0]["meta"]
    cli("export", "sft", "-o", "one.jsonl", "--split", "eval", "--run", one["run"], *share)
    assert {r["meta"]["problem"] for r in rows("one.jsonl")} == {one["problem"]}


def test_the_part_depends_on_the_statement_alone() -> None:
    def run(id: str, statement: str) -> Run:
        task = json.dumps({"id": id, "statement": statement})
        return Run(id="run-x", problem_id=id, problem_json=task, created_at=0, updated_at=0)

    assert problem_key(run("a", "Add  one\nand two.")) == problem_key(run("b", "Add one and two."))
    assert problem_key(run("a", "")) != problem_key(run("b", ""))
    keys = [problem_key(run("a", f"Problem {k}")) for k in range(2000)]
    share = sum(part_of(k, 0.2) == "eval" for k in keys) / len(keys)
    assert share == pytest.approx(0.2, abs=0.03)
    assert {part_of(k, 0) for k in keys} == {"train"}


def test_only_the_public_verification_counts(cli: Cli) -> None:
    hidden = Check(kind="exact", spec={"expected": "another answer altogether"})
    _, report = garden(hidden=(hidden,))
    assert report.verdict == "verified"
    assert report.reference_match is False
    for kind in KINDS:
        (row,) = written(cli, kind)
        assert "another answer" not in json.dumps(row)
        assert "False" not in row["meta"].values()


def test_runs_suites_and_specialists_are_chosen(cli: Cli) -> None:
    first = stories()[0]
    garden()
    assert {r["meta"]["run"] for r in written(cli, "sft", "--run", first.run_id)} == {first.run_id}
    for suite in ("horizon", "horizon/4"):
        assert {r["meta"]["suite"] for r in written(cli, "sft", "--suite", suite)} == {"horizon"}
    assert {r["meta"]["specialist"] for r in written(cli, "sft", "--specialist", "math")} == {
        "math"
    }


def test_what_cannot_be_exported_is_one_line_and_leaves_no_file(cli: Cli, folder: Path) -> None:
    said = cli("export", "sft", "-o", "rows.jsonl")
    assert said.code == 2
    assert said.err.startswith("error: nothing to export: no run has been recorded in")
    assert not (folder / "runs").exists()
    first = solve(get("horizon", "4-1"), OracleBackend([horizon_story(4, 1)]), strategy="plan")
    for words, says in (
        (("sft", "--run", "run-none"), "unknown run id"),
        (("sft", "--suite", "gsm8k"), "no run of suite 'gsm8k'"),
        (("sft", "--specialist", "poet"), "no verified answer by specialist 'poet' in 1 runs"),
        (("dpo",), "no verified answer beside one that failed"),
        (("repair",), "no verified answer after one that failed"),
        (("sft", "--split", "test"), "one of train, eval, all"),
        (("sft", "--held-out", "1"), "from 0 to below 1"),
        (("sft", "--held-out", "0", "--split", "eval"), "rows is in the part 'eval'"),
        (("sfd",), "No such command 'sfd'"),
        (("sft", "--output", "none/rows.jsonl"), "--output none/rows.jsonl: cannot be written"),
    ):
        given = words if "--output" in words else (*words, "-o", "rows.jsonl")
        said = cli("export", *given)
        assert said.code == 2, words
        assert says in said.err
        assert said.err.count("\n") == 1
    assert [f.name for f in folder.iterdir() if f.name != "runs"] == []
    assert cli("export", "sft", "-o", "rows.jsonl", "--split", "all").code == 0
    before = Path("rows.jsonl").read_bytes()
    assert cli("export", "dpo", "-o", "rows.jsonl", "--run", first.run_id).code == 2
    assert Path("rows.jsonl").read_bytes() == before


UNIT = Check(
    kind="unit_test",
    spec={"entry_point": "f", "test": "def check(candidate):\n    assert candidate(3, 4) == 12\n"},
)
INPUT = Check(
    kind="function", spec={"entry_point": "f", "cases": [{"args": [918273645], "expected": 1}]}
)
ANSWER = Check(kind="exact", spec={"expected": SECRET})
PLACES = ("prompt", "response")


@pytest.mark.parametrize(
    ("check", "text", "refused"),
    [
        (ANSWER, f"The answer is: {SECRET}.", {"prompt"}),
        (ANSWER, "The gardener counted some blossoms.", set()),
        (INPUT, "It will be called as f(918273645).", {"prompt"}),
        (INPUT, "Part number 1918273645.", set()),
        (UNIT, "It must hold that\n  assert   candidate(3, 4) == 12", {"prompt", "response"}),
        (UNIT, "def check(candidate):", set()),
    ],
)
def test_an_injected_hidden_check_is_refused(
    cli: Cli, check: Check, text: str, refused: set[str]
) -> None:
    problem, clean = garden()
    whole = problem.model_copy(update={"hidden_checks": (check,)}).model_dump_json()
    kinds = ("sft", "dpo", "repair")
    for place in PLACES:
        _, report = garden(name=f"garden/{place}")
        store = BeadStore.open(database_url())
        with store.database.writing() as tx:  # scored by nobody: only the check is added
            row = {"task": whole, "id": report.run_id}
            tx.run("UPDATE run SET problem_json = %(task)s WHERE id = %(id)s", row)
        store.close_database()
        for kind in kinds:
            assert cli("export", kind, "-o", "rows.jsonl", "--split", "all").code == 0
        call = calls(report.run_id)[-1]
        leak(call, text, place)
        for kind in kinds:
            Path("rows.jsonl").unlink(missing_ok=True)
            said = cli("export", kind, "-o", "rows.jsonl", "--split", "all")
            assert said.code == (2 if place in refused else 0), (place, kind, said)
            assert Path("rows.jsonl").exists() == (place not in refused)
            if place in refused:
                assert f"run {report.run_id}, call {call.key[:16]}: holds" in said.err
        assert (
            cli("export", "sft", "-o", "o.jsonl", "--split", "all", "--run", clean.run_id).code == 0
        )
        leak(calls(report.run_id)[-1], "", place)
        if place in refused:
            return


def test_what_a_model_worked_out_may_stand_in_a_later_prompt(cli: Cli) -> None:
    """The leak rule asks the ledger who said it first."""
    garden(hidden=(Check(kind="exact", spec={"expected": SECRET}),))
    _, second = garden(name="garden/2", hidden=(Check(kind="exact", spec={"expected": SECRET}),))
    store = BeadStore.open(database_url())
    first = Ledger(store).calls(Runs(store).list()[-1].id)[0]
    store.close_database()
    leak(calls(second.run_id)[-1], f"Solved before: {SECRET}", "prompt")
    assert cli("export", "sft", "-o", "rows.jsonl", "--split", "all").code == 2
    leak(first, SECRET, "response")
    assert cli("export", "sft", "-o", "rows.jsonl", "--split", "all").code == 0


def test_what_is_public_is_no_secret() -> None:
    problem = get("pocket-code", "7")
    assert secrets_of(problem.model_copy(update={"hidden_checks": problem.public_checks})) == []
    told = Problem(id="x", kind="text", statement=f"Say: {SECRET}", hidden_checks=(ANSWER,))
    assert secrets_of(told) == []
    for number in range(20):
        assert secrets_of(get("horizon", f"16-{number}")) == []  # answers of a few digits


def test_collecting_changes_nothing(cli: Cli, folder: Path) -> None:
    stories()
    store = BeadStore.open(database_url())
    runs = chosen_runs(store)
    first = collect(store, runs, "sft", split="all")
    assert collect(store, list(runs), "sft", split="all").rows == first.rows
    store.close_database()


@pytest.mark.parametrize("line", re.findall(r"^(harness export .+)$", DOC.read_text("utf-8"), re.M))
def test_the_commands_of_the_page(cli: Cli, line: str) -> None:
    if " inspect " in line:
        pytest.importorskip("inspect_ai")
    stories()
    said = cli(*line.split()[1:])
    assert said.code == 0, said.err


def test_a_dash_prints_the_rows(cli: Cli, folder: Path) -> None:
    done = cli("export", "router", "-o", "-", "--json")
    assert (done.code, "leave out --json" in done.out) == (2, True)
    assert not (folder / "-").exists()
