"""Clusters, names, trends and beads, on failures that are made up."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from eval.clustering import Vectors, cluster, merged, name_groups, plane, trend
from eval.errors_report import html, markdown, rows
from eval.failures import Failure, normalise
from eval.filing import file_bead
from state import BeadStore
from state.errors import UsageError


def failure(kind: int, run: int, number: int) -> Failure:
    """One of five kinds, each in its own words."""
    tier, step, check, signature, detail = [
        ("fleet", "math", "inverse", "inverse-mismatch", f"{number} - 3 gives {number + 7}, not 2"),
        ("fleet", "code", "function", "ZeroDivisionError", f"f({number}) raised division by zero"),
        ("fleet", "code", "function", "syntax-error", f"the code does not parse at line {number}"),
        ("architect", "", "", "no-plan", f"no derivation fits 'Ann has {number} pears.'"),
        ("monitor", "", "", "budget", f"out of budget: {number} of {number} calls"),
    ][kind]
    return Failure(
        run_id=f"run-{run}", problem="p", bead_id=f"b{kind}-{run}-{number}", at=float(run),
        tier=tier, step=step, check=check, signature=signature, detail=detail,
        fixed_by="a new plan" if kind == 3 else None,
    )  # fmt: skip


def embed(texts: Sequence[str]) -> Vectors:
    """Bags of hashed words, of unit norm: likeness without a model."""
    table = np.zeros((len(texts), 64), dtype=np.float32)
    for row, text in enumerate(texts):
        for word in text.split():
            table[row, hashlib.sha256(word.encode()).digest()[0] % 64] += 1
    return table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)


FAILURES = [failure(k, run, 10 * run + n) for k in range(5) for run in range(3) for n in range(3)]


def test_kinds_are_found_without_their_number() -> None:
    clusters, labels, features = cluster(FAILURES, embed)
    assert len(clusters) == 5
    for item in clusters:
        assert len({FAILURES[i].signature for i in item.members}) == 1
        assert item.size == 9
        assert all(labels[i] == labels[item.members[0]] for i in item.members)
    assert len({c.name for c in clusters}) == 5
    assert next(c for c in clusters if "derivation" in c.name).fixes == (("a new plan", 9),)
    assert plane(features).shape == (45, 2)


def test_too_few_failures_are_refused() -> None:
    with pytest.raises(UsageError, match="4 failures are too few"):
        cluster(FAILURES[:4], embed)


def test_normal_form_keeps_the_kind_and_drops_the_case() -> None:
    assert normalise("f([1, 2], 'ab') returned -3.5, expected 4") == (
        "f(<list>, <text>) returned #, expected #"
    )
    assert normalise("at 0x7f3a in /usr/lib/x.py") == "at <address> in <path>"
    assert failure(0, 1, 5).normal == failure(0, 2, 88).normal
    assert len({failure(k, 1, 5).normal for k in range(5)}) == 5


def test_names_set_groups_apart() -> None:
    names = name_groups(
        [["timeout in sandbox", "timeout again"], ["syntax broken", "syntax error"]]
    )
    assert "timeout" in names[0]
    assert "syntax" in names[1]
    assert name_groups([["1 2"]]) == ["unnamed"]


def test_trend_between_older_and_newer_runs() -> None:
    every = [failure(0, run, n) for run in range(4) for n in range(8)]
    assert trend(every, every) == "steady"
    assert trend([f for f in every if f.run_id in ("run-2", "run-3")], every) == "new"
    assert trend([f for f in every if f.run_id == "run-0"], every) == "gone"
    assert trend([*every[:1], *every[16:32]], every) == "rising"
    assert trend(every[:8], every[:8]) == "one run"


def test_reports_hold_every_cluster_and_escape_what_models_wrote() -> None:
    nasty = FAILURES[0].model_copy(update={"answer": "<script>alert(1)</script>"})
    found = [nasty, *FAILURES[1:]]
    clusters, labels, features = cluster(found, embed)
    table = rows(clusters, found, ["fleet"] * len(found))
    assert sum(row["size"] for row in table) == len(found)
    page = html(table, found, labels, features)
    assert page.count("<circle") == len(found)
    assert "<script>" not in page
    for row in table:
        assert row["name"] in markdown(table, 0)


def test_one_bead_for_each_kind_however_often_it_is_seen(tmp_path: Path) -> None:
    store = BeadStore.open(tmp_path / "state.db")
    clusters, _, _ = cluster(FAILURES, embed)
    table = rows(clusters, FAILURES, ["fleet"] * len(FAILURES))
    first = [file_bead(store, row) for row in table]
    assert {done for _, done in first} == {"opened"}
    assert len({id for id, _ in first}) == 5
    again = [file_bead(store, row) for row in table]
    assert [(id, "seen again") for id, _ in first] == again
    store.close(first[0][0], "fixed")
    assert file_bead(store, table[0])[1] == "seen again"  # the same runs: nothing new happened
    assert store.get(first[0][0]).status == "closed"
    later = {**table[0], "key": "other", "runs": {"run-9": 2}}  # known by its failures
    assert file_bead(store, later) == (first[0][0], "re-opened")
    bead = store.get(first[0][0])
    assert bead.status == "open"
    assert set(bead.data["runs"]) == {"run-0", "run-1", "run-2", "run-9"}
    assert len(store.query(kind="bug")) == 5


def test_dense_spots_of_one_kind_are_merged_and_kinds_are_not() -> None:
    found = np.zeros((9, 2), dtype=np.float32)
    found[3:6, 0], found[6:, 0] = 0.2, 1.0
    assert merged(found, [0, 0, 0, 1, 1, 1, 2, 2, -1]) == [0, 0, 0, 0, 0, 0, 2, 2, -1]


def test_the_problems_own_function_says_nothing_about_a_failure() -> None:
    a, b = (
        failure(1, 1, 1).model_copy(update={"entry_point": name, "detail": f"{name}(3) raised X"})
        for name in ("work", "apply")
    )
    assert a.normal == b.normal
    assert a.detail != b.detail
