"""Runs at an endpoint that answers oddly, from the command line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from state import BeadStore, Ledger, database_url
from tests.harness.conftest import Cli
from tests.specialists.scripted import Answer, Reply, answering, chat, choice
from tiers.model_calls import remarks_on

pytestmark = pytest.mark.slow

PROBLEM = {
    "id": "p", "kind": "text", "statement": "Give the number of legs of an insect after ####.",
    "public_checks": [{"kind": "numeric", "spec": {"expected": 6}}],
}  # fmt: skip
ROOT = Path(__file__).parents[2]


@pytest.fixture
def words(folder: Path) -> list[str]:
    """A run of one call of one specialist, but for the URL."""
    (folder / "p.json").write_text(json.dumps(PROBLEM))
    return [
        "run", "--problem", "p.json", "--backend", "openai", "--model", "m",
        "--strategy", "direct", "--specialist", "solver", "--base-url",
    ]  # fmt: skip


def always(reply: Reply) -> Answer:
    return lambda body, number: reply


def remarks(run_id: str) -> list[dict[str, str]]:
    store = BeadStore.open(database_url())
    try:
        return [remarks_on(call) for call in Ledger(store).calls(run_id)]
    finally:
        store.close_database()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(chat(choices=None)),
        Reply(chat(error={"message": "no\nsuch thing", "code": 400})),
        Reply(raw=b"<html>Sign in</html>"),
        Reply(chat(usage=None)),
    ],
)
def test_an_odd_answer_is_one_line_and_the_run_can_go_on(
    cli: Cli, words: list[str], reply: Reply
) -> None:
    replies = [reply, Reply(chat("#### 6"))]
    with answering(lambda body, number: replies[number - 1]) as endpoint:
        said = cli(*words, endpoint.url, "--quiet")
        assert said.code == 4
        assert said.err.startswith(f"error: {endpoint.url} ")
        assert said.err.count("\n") == 1
        run_id = said.err.rpartition("resume ")[2].split()[0].strip(",")
        went_on = cli("resume", run_id, "--json")
        assert went_on.code == 0
        report = json.loads(went_on.out)
        assert report["calls"] - report["lost"] == 1


def test_another_name_of_the_base_is_recorded_and_told_once(cli: Cli, words: list[str]) -> None:
    replies = ["no idea", "none", "#### 6"]

    def answer(body: dict[str, Any], number: int) -> Reply:
        return Reply(chat(replies[number - 1], model="m-2024-07-18"))

    plain = [word if word != "direct" else "auto" for word in words]
    with answering(answer) as endpoint:
        said = cli(*plain, endpoint.url)
    assert said.code == 0
    assert said.err.count("m-2024-07-18 answers for m") == 1
    run_id = said.out.rpartition("run ")[2].strip()
    assert remarks(run_id) == [{"model": "m-2024-07-18"}] * 3


@pytest.mark.parametrize("odd", ["\ud800", "\0", "\udfff\0"])
def test_text_that_no_store_can_hold_is_replaced_recorded_and_not_paid_twice(
    cli: Cli, words: list[str], odd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(always(Reply(chat(f"{odd} #### 6")))) as endpoint:
        said = cli(*words, endpoint.url, "--json", "--record", "calls.jsonl")
        assert said.code == 0
        report = json.loads(said.out)
        assert len(endpoint.calls) == 1
        assert "cannot be stored" in remarks(report["run_id"])[0]["text"]
        assert cli("resume", report["run_id"], "--json").code == 0
        assert len(endpoint.calls) == 1
    monkeypatch.setenv("HARNESS_HOME", "replay")  # Without memory of the first run.
    again = [w for w in words[:-1] if w not in ("--model", "m")]
    again[again.index("openai")] = "recorded"
    replayed = cli(*again, "--recording", "calls.jsonl", "--json")
    assert replayed.code == 0, replayed.out
    assert json.loads(replayed.out)["answer"] == report["answer"]
    assert "cannot be stored" in remarks(json.loads(replayed.out)["run_id"])[0]["text"]


def test_a_model_that_only_reasons_fails_and_is_said_to(cli: Cli, words: list[str]) -> None:
    thought = {"role": "assistant", "content": None, "reasoning_content": "let me think"}
    with answering(always(Reply(choice(thought, "length")))) as endpoint:
        said = cli(*words, endpoint.url)
    assert said.code == 1
    assert "failed (the model wrote no answer (reasoning, up to the limit of tokens))" in said.err


@pytest.mark.parametrize("specialist", [True, False])
def test_a_run_at_an_endpoint_imports_no_model(words: list[str], specialist: bool) -> None:
    asked = words if specialist else [w for w in words if w not in ("--specialist", "solver")]
    heavy = ["torch", "transformers", "sentence_transformers", "scipy", "sklearn", "peft"]
    heavy += ["tokenizers"] * specialist  # Nothing is routed, so nothing is embedded.
    program = (
        "import sys\nfrom harness.cli import main\ncode = main(sys.argv[1:])\n"
        f"found = sorted(set({heavy}) & set(sys.modules))\n"
        "sys.exit(f'imported {found}' if found else code)"
    )
    with answering(always(Reply(chat("#### 6")))) as endpoint:
        done = subprocess.run(
            [sys.executable, "-c", program, *asked, endpoint.url, "--quiet"],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_pause_beyond_the_time_left_ends_the_run_at_once_and_says_so(
    cli: Cli, words: list[str]
) -> None:
    busy = Reply({"error": {"message": "slow down"}}, 429, {"retry-after": "100"})
    began = time.monotonic()
    with answering(always(busy)) as endpoint:
        said = cli(*words, endpoint.url, "--quiet", "--timeout", "20")
    assert said.code == 3
    assert "slow down (it asks to wait 100 s)" in said.out
    assert time.monotonic() - began < 20


@contextmanager
def silent() -> Iterator[str]:
    """The URL of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


def test_an_endpoint_that_never_answers_is_waited_for_as_long_as_the_run_has(
    cli: Cli, words: list[str]
) -> None:
    with silent() as url:
        said = cli(*words, url, "--timeout", "1", "--quiet")
    assert said.code == 4
    assert said.err.startswith(f"error: {url} did not answer in the 1 s")
    assert said.err.count("\n") == 1


def test_a_wish_to_stop_reaches_the_opening_of_an_endpoint(words: list[str]) -> None:
    with silent() as url:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *words, url],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        process.stderr.readline()  # The first line stands before anything is opened.
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
