"""The graph that LangGraph's own tools open."""

from __future__ import annotations

import asyncio
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from harness import routing, studio
from harness.report import RunOptions
from state import BeadStore, Runs, database_url
from tests.oracle import CARDS, OracleBackend, by_form, horizon_story

ROOT = Path(__file__).parent.parent.parent


def test_the_graph_that_langgraph_json_names_solves_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    story = horizon_story(4, 1)

    async def open_backend(options: RunOptions) -> Any:
        return OracleBackend([story]), CARDS

    monkeypatch.setattr(studio, "open_backend", open_backend)
    monkeypatch.setattr(routing, "open_router", by_form)
    named = json.loads((ROOT / "langgraph.json").read_text())["graphs"]["harness"]
    file, _, function = named.partition(":")
    module = importlib.import_module(file.removeprefix("./").removesuffix(".py").replace("/", "."))
    graph = getattr(module, function)()
    assert {"monitor", "architect", "dispatcher", "fleet", "report"} <= set(graph.get_graph().nodes)
    end = asyncio.run(graph.ainvoke({"problem": "horizon/4-1"}, {"recursion_limit": 1000}))
    assert end["verdict"] == "verified"
    run = Runs(BeadStore.open(database_url())).get(end["run_id"])
    assert run.answer == str(story.answer)
    assert run.status == "finished"
