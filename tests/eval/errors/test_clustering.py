"""Clusters, names, trends and beads, on failures that are made up."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from eval.errors.clustering import Vectors, cluster, merged, name_of, plane, trend
from eval.errors.clusters_report import html, markdown, rows
from eval.errors.filing import file_bead
from eval.errors.run_failures import Failure, normalise
from state import BeadStore


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


@pytest.mark.slow
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


def test_few_failures_are_told_apart_by_their_fields() -> None:
    few = [FAILURES[0], FAILURES[9], FAILURES[1]]
    clusters, labels, _ = cluster(few, embed)
    assert labels == [0, 1, 0]
    assert [c.size for c in clusters] == [2, 1]


def test_failures_of_one_kind_only_are_a_cluster_not_noise() -> None:
    wrong = [
        failure(0, run, number).model_copy(
            update={
                "tier": "report", "step": "", "check": "numeric", "signature": "wrong-answer",
                "detail": "hidden checks refuse the answer (unverified)",
                "answer": f"{'abcdefgh'[number]} is {number}", "problem": f"q{number}",
            }
        )
        for run in range(3) for number in range(8)
    ]  # fmt: skip
    clusters, labels, _ = cluster(wrong, embed)
    assert -1 not in labels
    assert sum(c.size for c in clusters) == 24
    assert {c.name.partition(", e.g. ")[0] for c in clusters} == {
        "final answer: wrong (numeric check)"
    }


def test_normal_form_keeps_the_kind_and_drops_the_case() -> None:
    assert normalise("f([1, 2], 'ab') returned -3.5, expected 4") == (
        "f(<list>, <text>) returned #, expected #"
    )
    assert normalise("at 0x7f3a in /usr/lib/x.py") == "at <address> in <path>"
    assert failure(0, 1, 5).normal == failure(0, 2, 88).normal
    assert len({failure(k, 1, 5).normal for k in range(5)}) == 5


def test_a_name_says_where_what_and_gives_an_example() -> None:
    assert [name_of([failure(kind, 0, 7)]) for kind in range(5)] == [
        "fleet, math step: inverse mismatch (inverse check), e.g. 7 - 3 gives 14, not 2",
        "fleet, code step: ZeroDivisionError (function check), e.g. f(7) raised division by zero",
        "fleet, code step: syntax error (function check), e.g. the code does not parse at line 7",
        "architect: no plan, e.g. no derivation fits 'Ann has 7 pears.'",
        "run: out of budget, e.g. 7 of 7 calls",
    ]
    prose = failure(0, 0, 7).model_copy(update={"signature": "# sentences for # steps"})
    assert name_of([prose]).startswith("fleet, math step: failed (inverse check), e.g. 7 - 3")
    mixed = [failure(1, 0, 1), failure(2, 0, 2), failure(2, 0, 3)]
    assert name_of(mixed).startswith("fleet, code step: syntax error")
    long = failure(3, 0, 1).model_copy(update={"detail": "word " * 100})
    assert len(name_of([long])) < 120


def test_no_two_clusters_share_a_name() -> None:
    twins = [
        failure(1, run, 4).model_copy(update={"answer": answer})
        for answer in ("def f(x): return 1 / 0", "such words as nobody expects of a program at all")
        for run in range(6)
    ]
    clusters, _, _ = cluster([*twins, *FAILURES[:9]], embed)
    assert len({c.name for c in clusters}) == len(clusters)


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
    assert page.count("<title>") == 1 + len(found), "the page's own, and one for each point"
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
