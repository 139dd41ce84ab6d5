"""The endpoint path against vLLM itself: the pocket fleet is served, its base is compared first.

Needs a vLLM to start: ``HARNESS_TEST_VLLM`` names its executable (a CPU build in an environment of
its own will do). Skipped without it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from specialists.registry import ADAPTERS_FOLDER, BASE_FOLDER, base_digest

VLLM = os.environ.get("HARNESS_TEST_VLLM") or shutil.which("vllm")
STARTS_WITHIN = 240.0
"""Seconds that the server may take until it answers."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(VLLM is None, reason="HARNESS_TEST_VLLM names no vLLM to start"),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("vllm") / "log"
    environment = {
        **os.environ, "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", "VLLM_CPU_KVCACHE_SPACE": "1",
    }  # fmt: skip
    environment.pop("PYTHONPATH", None)
    with log.open("w") as out:
        server = subprocess.Popen(
            [
                str(VLLM), "serve", str(BASE_FOLDER), "--served-model-name", "base",
                "--host", "127.0.0.1", "--port", str(port), "--max-model-len", "1024",
                "--dtype", "float32", "--enable-lora", "--max-loras", "8",
                "--max-cpu-loras", "16", "--max-lora-rank", "32",
            ],
            env=environment, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}/v1"
        until = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                urllib.request.urlopen(address + "/models", timeout=2).read()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > until:
                    pytest.fail("vLLM did not start: " + log.read_text()[-2000:])
                time.sleep(1)
        yield address
    finally:
        server.terminate()
        server.wait(30)


def listed(url: str) -> list[str]:
    with urllib.request.urlopen(url + "/models", timeout=10) as answer:
        return [entry["id"] for entry in json.load(answer)["data"]]


def harness(*words: str, home: Path, folder: Path | None = None) -> tuple[int, Any, str]:
    """(exit code, the JSON object on the output, what stood on the standard error)."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", *words, "--json"],
        env={**os.environ, "HARNESS_HOME": str(home)}, capture_output=True, text=True,
        cwd=folder,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout), done.stderr


def fleet_of(folder: Path, *names: str) -> Path:
    shutil.copytree(BASE_FOLDER, folder / "base")
    for name in names:
        shutil.copytree(ADAPTERS_FOLDER / name, folder / "adapters" / name)
    return folder


def test_another_base_is_refused_and_nothing_is_loaded(url: str, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    fleet = fleet_of(tmp_path / "fleet", "math")
    weights = fleet / "base" / "model.safetensors"
    torch.manual_seed(3)
    other = {
        k: torch.randn_like(v) * v.std() if v.dim() > 1 else v
        for k, v in load_file(weights).items()
    }
    save_file(other, weights, {"format": "pt"})
    card = fleet / "adapters" / "math" / "card.json"
    digest = base_digest(fleet / "base")
    card.write_text(json.dumps({**json.loads(card.read_text()), "base": digest}))
    flags = ["--backend", "openai", "--base-url", url, "--model", "base", "--fleet", str(fleet)]
    code, said, _ = harness("run", "--problem", "horizon/4-1", *flags, home=tmp_path / "home")
    assert code == 4
    assert "is not the base of this fleet" in said["error"]
    assert listed(url) == ["base"]


def test_the_pocket_fleet_solves_its_problem_there(url: str, tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path / "fleet", "math", "decompose", "code")
    flags = ["--backend", "openai", "--base-url", url, "--model", "base", "--fleet", str(fleet)]
    code, report, said = harness("run", "--problem", "horizon/4-1", *flags, home=tmp_path / "home")
    assert code == 0, said
    assert report["verdict"] == "verified"
    assert report["reference_match"] is True
    assert any(name.startswith("math-") for name in listed(url))


def test_an_adapter_that_vllm_lists_is_used_by_its_served_name(url: str, tmp_path: Path) -> None:
    body = {"lora_name": "sums", "lora_path": str(ADAPTERS_FOLDER / "math")}
    asked = urllib.request.Request(
        url + "/load_lora_adapter", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(asked, timeout=60).read()
    (tmp_path / "harness.toml").write_text('[specialists.sums]\nretry = "resample"\n')
    problem = tmp_path / "sum.yaml"
    problem.write_text("kind: text\nstatement: 64 + 478\n")
    flags = ["--backend", "openai", "--base-url", url, "--model", "base", "--specialist", "sums"]
    _, report, said = harness(
        "run", "--problem", str(problem), "--strategy", "direct", *flags,
        home=tmp_path / "home", folder=tmp_path,
    )  # fmt: skip
    assert report["specialists"] == {"sums": 1}, said
    assert report["answer"].rstrip().endswith("542")
