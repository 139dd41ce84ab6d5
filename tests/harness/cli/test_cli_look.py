"""Commands that only read, their error messages, and the cost of their help."""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness import doctor
from harness.cli.app import app
from harness.doctor import Finding
from state import Bead, BeadStore, Call, Ledger, Runs, SetupError, StopReason, database_url
from tests.harness.conftest import Cli


@pytest.fixture
def run_id(folder: Path) -> str:
    """A finished run of two steps, three decisions and two calls."""
    store = BeadStore.open(database_url())
    run = Runs(store).start(
        "story-1", problem_json='{"statement": "How many \\u001b[2Japples?"}', config_json="{}"
    )
    data = {"plan": 0, "kind": "math", "inputs": {}, "given": False}
    store.create_many(
        [
            Bead(kind="step", key="a", title="7", run_id=run.id, status="closed",
                 data={**data, "name": "a", "objective": "7", "given": True, "artifact": "7"}),
            Bead(kind="step", key="b", title="{a} + 3", run_id=run.id, status="closed",
                 data={**data, "name": "b", "objective": "{a} + 3", "artifact": "10",
                       "inputs": {"a": "hm-1"}, "outcome": "verified"}),
        ]
    )  # fmt: skip
    b = store.query(run_id=run.id, kind="step")[1]
    store.create(
        "outcome", "math: verified", run_id=run.id, tier="fleet", assignee="math", status="closed",
        data={"outcome": {"attempts": 2}, "step": b.id},
    )  # fmt: skip
    store.create("decision", "plan: why not", run_id=run.id, tier="monitor", body="because")
    for number in (1, 2):
        Ledger(store).record(
            Call(
                key=f"k{number}", run_id=run.id, bead_id=b.id, tier="fleet", specialist="math",
                model="m", prompt=[{"role": "user", "content": f"[b]7 + {number}"}],
                response=f"= {7 + number}", prompt_tokens=4, completion_tokens=2, created_at=1.0,
            )
        )  # fmt: skip
    Runs(store).finish(
        run.id, verdict="verified", reason=StopReason(kind="done", text="all done"), answer="10"
    )
    store.close_database()
    return run.id


def test_runs_list(cli: Cli, run_id: str) -> None:
    said = cli("runs", "list")
    assert said.code == 0
    head, line = said.out.splitlines()
    assert head.split() == [
        "run", "when", "outcome", "reference", "calls", "tokens", "seconds", "dollars", "problem"
    ]  # fmt: skip
    assert line.startswith(f"{run_id}  ")
    assert line.endswith("  story-1")
    rows = json.loads(cli("runs", "list", "--json").out)
    assert [(row["id"], row["verdict"], row["spent_tokens"]) for row in rows] == [
        (run_id, "verified", 12)
    ]


@pytest.mark.parametrize(
    ("reason", "verdict", "answer", "words"),
    [
        (StopReason(kind="approval", text="waits"), None, None, ["awaiting-approval", "-"]),
        (StopReason(kind="stopped", text="Ctrl-C"), None, None, ["interrupted", "-"]),
        (
            StopReason(kind="budget", text="all spent"),
            "exhausted",
            None,
            ["exhausted", "no", "answer"],
        ),
        (StopReason(kind="budget", text="all spent"), "exhausted", "7", ["exhausted", "disagrees"]),
        (StopReason(kind="done", text="done"), "unverified", "7", ["unverified", "disagrees"]),
    ],
)
def test_states_of_runs_are_listed_as_the_table_has_them(
    cli: Cli, reason: StopReason, verdict: str | None, answer: str | None, words: list[str]
) -> None:
    store = BeadStore.open(database_url())
    runs = Runs(store)
    run = runs.start("story-1")
    if verdict is None:
        runs.interrupt(run.id, reason)
    else:
        runs.finish(run.id, verdict=verdict, reason=reason, answer=answer, reference_match=False)
    store.close_database()
    line = cli("runs", "list").out.splitlines()[1].split()
    assert line[3 : 3 + len(words)] == words
    (row,) = json.loads(cli("runs", "list", "--json").out)
    assert (row["stop_kind"], row["stop_reason"]) == (reason.kind, reason.text)
    shown = cli("runs", "show", run.id).out.splitlines()
    assert shown[1] == f"{words[0]}: {reason.text}"


def test_times_for_scripts_are_iso_with_their_zone(cli: Cli, run_id: str) -> None:
    said = [
        cli("runs", "list", "--json"), cli("runs", "show", run_id, "--json"),
        cli("runs", "show", run_id, "--trace", "--json"), cli("bead", "list", "--all", "--json"),
    ]  # fmt: skip
    times = [
        (name, value)
        for one in said
        for name, value in fields(json.loads(one.out))
        if name == "at" or name.endswith(("_at", "_until", "deadline"))
    ]
    assert {name for name, _ in times} >= {"at", "created_at", "updated_at", "closed_at"}
    for name, value in times:
        assert value is None or datetime.fromisoformat(value).tzinfo is not None, (name, value)


def fields(value: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of all mappings in a value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name, inner
            yield from fields(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner)


def test_looking_where_no_run_was_creates_nothing(cli: Cli, folder: Path) -> None:
    assert "no runs in" in cli("runs", "list").out
    assert json.loads(cli("runs", "list", "--json").out) == []
    assert cli("runs", "show", "x").code == 2
    assert list(folder.iterdir()) == []


def test_runs_show(cli: Cli, run_id: str) -> None:
    said = cli("runs", "show", run_id[:7])
    assert said.code == 0
    assert "\x1b" not in said.out
    assert "How many apples?" in said.out
    assert "verified: all done" in said.out
    lines = {line.split()[0]: line for line in said.out.splitlines() if line.strip()}
    assert "given" in lines["a"]
    assert "math (2 tries)" in lines["b"]
    assert "= 10" in lines["b"]
    assert "monitor" in lines
    assert "[b]7 + 1" not in said.out


def test_runs_show_trace_has_every_call_in_order(cli: Cli, run_id: str) -> None:
    out = cli("runs", "show", run_id, "--trace").out
    assert 0 < out.index("[b]7 + 1") < out.index("= 8") < out.index("[b]7 + 2") < out.index("= 9")
    assert "call 1 · fleet · math (no adapter) · 4 + 2 tokens" in out
    record = json.loads(cli("runs", "show", run_id, "--trace", "--json").out)
    assert [call["response"] for call in record["calls"]] == ["= 8", "= 9"]
    assert record["plan"][1]["artifact"] == "10"
    short = json.loads(cli("runs", "show", run_id, "--json").out)
    assert "prompt" not in short["calls"][0]


@pytest.fixture(params=["80", "60"])
def columns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COLUMNS", request.param)
    return int(request.param)


@pytest.mark.slow
def test_tables_fit_and_keep_ids_whole(cli: Cli, run_id: str, columns: int) -> None:
    store = BeadStore.open(database_url())
    named = [Runs(store).start(f"a-problem-with-quite-a-long-name/{n}").id for n in range(3)]
    store.close_database()
    digests = [card["adapter"] for card in json.loads(cli("specialist", "list", "--json").out)]
    for words, whole in (
        (("runs", "list"), [run_id, *named, "verified", "running"]),
        (("runs", "list"), [f"a-problem-with-quite-a-long-name/{n}" for n in range(3)]),
        (("runs", "show", run_id), ["given", "verified", "math (2 tries)"]),
        (("specialist", "list"), digests),
    ):
        out = cli(*words).out
        assert "…" not in out
        assert max(map(len, out.splitlines())) <= columns, out
        for word in whole:
            assert word in out


def test_times_are_local_and_short(cli: Cli, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        store = BeadStore.open(database_url())
        at = Runs(store).get(run_id).created_at
        store.close_database()
        local = datetime.fromtimestamp(at, timezone(timedelta(hours=5, minutes=45)))
        for words in (("runs", "list"), ("runs", "show", run_id)):
            assert f"{local:%Y-%m-%d %H:%M}" in cli(*words).out
    finally:
        monkeypatch.undo()
        time.tzset()


def test_init_writes_a_file_that_works(cli: Cli, folder: Path) -> None:
    assert cli("init").code == 0
    assert "budget" in tomllib.loads((folder / "harness.toml").read_text())
    said = cli("init")
    assert said.code == 2
    assert "--force replaces it" in said.err
    assert cli("init", "--force").code == 0


def test_doctor_is_well_unless_something_fails(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        Finding(name="python", state="ok", detail="3.11"),
        Finding(name="endpoint", state="warn", detail="[slow]"),
    ]
    monkeypatch.setattr(doctor, "examine", lambda flags: iter(found))
    said = cli("doctor")
    assert said.code == 0
    assert "warn  endpoint     [slow]" in said.out
    found.append(Finding(name="sandbox", state="fail", detail="apt-get install bubblewrap"))
    said = cli("doctor", "--json")
    assert said.code == 4
    report = json.loads(said.out)
    assert report["ok"] is False
    assert [line["state"] for line in report["findings"]] == ["ok", "warn", "fail"]


def test_doctor_finds_what_is_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "harness.toml").write_text("[budget]\nmax = 1\n")
    monkeypatch.setenv("HARNESS_BACKEND", "local")
    monkeypatch.setenv("PATH", str(folder))  # no bubblewrap here
    monkeypatch.setattr("harness.doctor._torch", lambda: "not today")
    monkeypatch.setattr("specialists.registry.ADAPTERS_FOLDER", folder / "none")
    monkeypatch.setattr("harness.wiring.ADAPTERS_FOLDER", folder / "none")
    monkeypatch.setattr("harness.wiring.BASE_FOLDER", folder / "none")
    states = {f.name: (f.state, f.detail) for f in doctor.examine()}
    assert states["packages"][0] == "ok"
    assert states["settings"][0] == "fail"
    assert "unknown key [budget] max" in states["settings"][1]
    assert states["sandbox"][0] == "fail"
    assert "apt-get install bubblewrap" in states["sandbox"][1]
    assert states["base model"][0] == "fail"
    assert states["adapters"][0] == "fail"
    assert states["embedder"][0] == "ok"
    assert states["runs folder"][0] == "ok"


@pytest.mark.slow
def test_doctor_tries_torch_in_a_process_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "torch.py").write_text("raise SystemExit('the wrong one')")
    assert "threads" in doctor._torch()
    monkeypatch.setattr(doctor, "_TRY_TORCH", "import os; os.abort()")
    with pytest.raises(SetupError, match="exit code -6; reinstall torch"):
        doctor._torch()
    monkeypatch.setattr(doctor, "_TRY_TORCH", "import no_such_torch")
    with pytest.raises(SetupError, match="No module named 'no_such_torch'; reinstall torch"):
        doctor._torch()


@pytest.mark.slow
def test_doctor_asks_the_endpoint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_BACKEND", "openai")
    monkeypatch.setenv("HARNESS_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("HARNESS_MODEL", "m")
    for look in ("_torch", "_sandbox", "_runs_folder"):
        monkeypatch.setattr(doctor, look, lambda: "")
    monkeypatch.setattr(doctor, "_embedder", lambda model: "")
    states = {f.name: (f.state, f.detail) for f in doctor.examine()}
    assert states["endpoint"][0] == "fail"
    assert "http://127.0.0.1:9/v1 cannot be reached" in states["endpoint"][1]
    assert states["fleet"][0] == "ok"


def test_specialists_of_an_endpoint_are_its_prompts(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_BACKEND", "openai")
    cards = json.loads(cli("specialist", "list", "--json").out)
    assert cards
    name = cards[0]["name"]
    assert name in cli("specialist", "list").out
    assert json.loads(cli("specialist", "show", name, "--json").out) == cards[0]
    assert cards[0]["description"] in cli("specialist", "show", name).out
    said = cli("specialist", "show", "nobody")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "no specialist 'nobody'" in said.err
    assert name in said.err


def test_a_missing_fleet_is_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_FLEET", "nowhere")
    said = cli("specialist", "list")
    assert said.code == 2
    assert said.err.startswith("error: --fleet nowhere: there is no folder")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("foo",), "No such command 'foo'"),
        (("run",), "which problem? Give a number, suite/id"),
        (("run", "0", "-p", "1"), "the problem is given twice, '0' and --problem '1'"),
        (("run", "-p", "1", "--max-tokens", "x"), "Invalid value for '--max-tokens'"),
        (("run", "-p", "1", "--max-tokens", "0"), "--max-tokens: should be greater than 0, not 0"),
        (("run", "-p", "1", "--max-calls", "-2"), "--max-calls: should be greater than 0, not -2"),
        (("run", "-p", "1", "--timeout", "0"), "--timeout: should be greater than 0, not 0.0"),
        (("run", "-p", "1", "--timeout", "nan"), "--timeout: should be a finite number"),
        (("run", "-p", "1", "--max-cost", "-1"), "--max-cost: should be greater than 0"),
        (("run", "-p", "1", "--strategy", "x"), "--strategy: should be 'auto', 'direct' or 'plan'"),
        (("run", "-p", "1", "--approve", "x"), "--approve: should be 'plan'"),
        (("run", "-p", "nope"), "problem 'nope': no such file; give a number"),
        (("run", "nope.yml"), "problem file 'nope.yml': no such file"),
        (("runs", "list", "--limit", "0"), "--limit: should be greater than 0, not 0"),
        (("runs", "show"), "Missing argument 'RUN'"),
    ],
)
def test_bad_command_lines_are_one_line(cli: Cli, words: tuple[str, ...], says: str) -> None:
    said = cli(*words)
    assert said.code == 2
    assert says in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    as_json = cli(*words, "--json")
    assert as_json.code == 2
    assert as_json.err == ""
    assert json.loads(as_json.out)["exit_code"] == 2


@pytest.mark.parametrize("words", [[], ["--help"], ["runs"], ["specialist", "-h"], ["run", "-h"]])
def test_help(words: list[str]) -> None:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


def test_version(cli: Cli) -> None:
    assert cli("version").out == cli("--version").out
    assert cli("version").out.startswith("hi-moe ")
