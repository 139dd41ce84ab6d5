"""The options of the model are the same wherever a model is used."""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.cli.options import MODEL_OPTIONS, model_options
from harness.settings import Settings
from tests.harness.conftest import Cli

VERBS = [
    ("run", "0"),
    ("doctor",),
    ("specialist", "list"),
    ("specialist", "show", "math"),
    ("specialist", "check"),
    ("router", "train"),
    ("router", "evaluate"),
    ("router", "calibrate"),
    ("eval", "compare", "--count", "1"),
    ("eval", "ab", "a.toml", "b.toml"),
    ("eval", "bench", "--count", "1"),
    ("bench", "routing", "--ground", "pocket"),
]
NOT_EVERYWHERE = ("record",)
"""Commands that make no run cannot record one."""


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_verb_has_them_all(cli: Cli, words: tuple[str, ...]) -> None:
    said = cli(*words, "--help")
    for name in MODEL_OPTIONS:
        if name not in NOT_EVERYWHERE:
            assert f"--{name.replace('_', '-')}" in said.out


@pytest.mark.slow
@pytest.mark.parametrize("words", [w for w in VERBS if w != ("doctor",)], ids=" ".join)
def test_every_verb_reads_them(cli: Cli, words: tuple[str, ...]) -> None:
    Path("a.toml").write_text("")
    Path("b.toml").write_text("[run]\nseed = 1\n")
    for given, says in (
        (("--fleet", "nowhere"), "--fleet nowhere: there is no folder"),
        (("--backend", "magic"), "--backend: should be 'local', 'openai' or 'recorded'"),
        (("--base-url", "http://x"), "--base-url is for --backend openai"),
    ):
        said = cli(*words, *given)
        assert said.code == 2, said
        assert says in said.err


def test_each_is_a_setting() -> None:
    assert set(MODEL_OPTIONS) <= set(Settings.model_fields)


def test_a_command_gets_them_as_flags() -> None:
    got: dict[str, object] = {}

    @model_options("record")
    def command(name: str, *, flags: dict[str, object]) -> None:
        got.update(flags, own=name)

    assert list(inspect.signature(command).parameters) == [
        "name", *(n for n in MODEL_OPTIONS if n != "record")
    ]  # fmt: skip
    command(name="a", **{n: n for n in MODEL_OPTIONS if n != "record"})
    assert got == {"own": "a", **{n: n for n in MODEL_OPTIONS if n != "record"}}


class Endpoint(BaseHTTPRequestHandler):
    """Lists a base model and an adapter of it."""

    def do_GET(self) -> None:
        models = [
            {"id": "base", "object": "model", "created": 0, "owned_by": "me"},
            {"id": "sql-lora", "object": "model", "created": 0, "owned_by": "me", "parent": "base"},
        ]
        body = json.dumps({"object": "list", "data": models}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def base_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


@pytest.mark.slow
def test_the_specialists_of_an_endpoint_are_asked_of_it(cli: Cli, base_url: str) -> None:
    flags = ("--backend", "openai", "--base-url", base_url, "--model", "base")
    names = [card["name"] for card in json.loads(cli("specialist", "list", *flags, "--json").out)]
    assert "sql-lora" in names
    assert cli("specialist", "show", "sql-lora", *flags).code == 0
    gone = ("--backend", "openai", "--base-url", "http://127.0.0.1:9/v1", "--model", "base")
    said = cli("specialist", "list", *gone)
    assert said.code == 4
    assert said.err.count("\n") == 1


@pytest.mark.slow
def test_doctor_looks_at_the_model_that_the_flags_name(
    cli: Cli, base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness import doctor

    for look in ("_torch", "_sandbox", "_runs_folder"):
        monkeypatch.setattr(doctor, look, lambda: "")
    monkeypatch.setattr(doctor, "_embedder", lambda model: "")
    flags = ("--backend", "openai", "--base-url", base_url, "--model")
    found = {
        line["name"]: line for line in json.loads(cli("doctor", *flags, "base", "--json").out)["findings"]
    }  # fmt: skip
    assert found["endpoint"]["state"] == "ok"
    said = cli("doctor", *flags, "other", "--json")
    assert said.code == 4
    said = cli("doctor", "--fleet", str(Path("nowhere")), "--json")
    states = {line["name"]: line["state"] for line in json.loads(said.out)["findings"]}
    assert states["base model"] == "fail"
