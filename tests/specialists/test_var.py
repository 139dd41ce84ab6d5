"""The adaptive router's parts: the cap, the table and its bound, the cache, clusters, snapshots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specialists.routing.var import (
    PATHS,
    AdaptiveCore,
    AdaptiveSettings,
    Clusters,
    DecisionCache,
    FastTable,
    TokenBucket,
    clopper_pearson_upper,
)
from state import UsageError

EXPENSIVE, FAST, CACHE, DEGRADED = range(4)
SURE = np.array([[0.0, 9.0, 0.0]])


def run(core: AdaptiveCore, clusters: list[int], rows: np.ndarray, **more: object) -> list[str]:
    """Route a batch whose expensive scores are ``rows[cluster]``; the paths taken."""
    plan = core.plan(np.array(clusters), **more)
    return [PATHS[p] for p in core.settle(plan, rows[plan.clusters[plan.need]]).paths]


# --- the cap ---------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    share=st.floats(0.05, 1.0),
    horizon=st.integers(20, 120),
    audit=st.sampled_from([0.0, 0.3, 1.0]),
    batches=st.lists(st.lists(st.integers(0, 6), max_size=60), max_size=12),
    seed=st.integers(0, 3),
)
def test_no_sequence_of_requests_exceeds_the_cap_in_any_window(
    share: float, horizon: int, audit: float, batches: list[list[int]], seed: int
) -> None:
    """Clusters, batch sizes and scores are arbitrary, so the table and the audits are as well."""
    made = AdaptiveSettings(share=share, horizon=horizon, audit=audit, min_count=1)
    core = AdaptiveCore(3, made, seed)
    rng = np.random.default_rng(seed)
    drawn: list[int] = []
    for batch in batches:
        plan = core.plan(np.array(batch, dtype=np.int64), keys=list(map(str, batch)))
        seen = np.zeros(len(batch), dtype=int)
        seen[plan.need] = 1
        assert len(set(plan.need.tolist())) == len(plan.need)
        drawn += seen.tolist()
        core.settle(plan, rng.normal(size=(len(plan.need), 3)))
    total = np.concatenate([[0], np.cumsum(drawn)])
    for n in range(1, len(drawn) + 1):
        worst = int((total[n:] - total[:-n]).max())
        assert worst <= core.bucket.limit(n)
        if n >= horizon:
            assert worst <= share * n + 1e-9


def test_the_cap_is_reached_by_who_needs_it() -> None:
    """The router uses its whole cap: a stream of unknown requests gets all scores that the cap
    allows."""
    core = AdaptiveCore(3, AdaptiveSettings(audit=0.0))
    plan = core.plan(np.arange(1000))
    assert core.bucket.limit(1000) == 105
    assert len(plan.need) >= 104
    assert (plan.paths == DEGRADED).sum() == 1000 - len(plan.need)


def test_a_bucket_that_cannot_be_is_refused() -> None:
    for bad in ({"share": 0.0}, {"share": 1.5}, {"horizon": 0}, {"burst": 16}, {"share": 0.01}):
        with pytest.raises(UsageError):
            TokenBucket(**{"share": 0.15, "horizon": 20 if "share" in bad else 100, **bad})


# --- the table -------------------------------------------------------------------------------


def test_the_bound_is_clopper_and_pearsons() -> None:
    found = clopper_pearson_upper(np.array([0, 0, 1, 0, 7]), np.array([59, 58, 59, 0, 7]))
    assert found[0] == pytest.approx(1 - 0.05 ** (1 / 59))
    assert found[0] <= 0.05 < found[1] < found[2]
    assert found[3] == found[4] == 1.0


def test_a_cluster_earns_the_fast_path_and_loses_it() -> None:
    core = AdaptiveCore(3, AdaptiveSettings(share=1.0, horizon=10, audit=1.0))
    rows = np.repeat(SURE, 2, axis=0)
    assert run(core, [0], rows) == ["expensive"]
    for _ in range(58):
        run(core, [0], rows)
    assert not core.table.eligible[0]
    run(core, [0], rows)
    assert core.table.eligible[0]
    assert core.table.trials[0] == 59
    assert run(core, [0, 1], rows) == ["fast", "expensive"]
    changed = rows[:, ::-1].copy()
    changed[:, 0], changed[:, 1] = 9.0, 0.0
    for _ in range(3):
        run(core, [0], changed)
    assert not core.table.eligible[0]
    assert core.table.demotions[0] == 1
    assert core.disagreed >= 1
    assert run(core, [0], changed) == ["expensive"]


def test_a_calm_table_is_not_enough_for_an_uncertain_cluster() -> None:
    fixed = AdaptiveSettings(share=1.0, horizon=10, audit=0.0, adaptive=False)
    unsure = np.array([[0.0, 0.05, 0.0]])
    core = AdaptiveCore(3, fixed)
    core.train(np.zeros(80, dtype=np.int64), np.repeat(unsure, 80, axis=0))
    assert core.table.thresholds() == (50, 0.5)
    assert not core.table.eligible[0]
    loose = AdaptiveCore(3, fixed.model_copy(update={"adaptive": True}))
    loose.train(np.zeros(80, dtype=np.int64), np.repeat(unsure, 80, axis=0))
    assert loose.table.thresholds()[1] > 1.0
    assert loose.table.eligible[0]


def test_thresholds_loosen_only_as_far_as_coverage_needs() -> None:
    table = FastTable(2, coverage=0.5)
    table.grow(3)
    clusters = np.array([0] * 60 + [1] * 30 + [2] * 10)
    heat = np.array([0.6] * 60 + [0.65] * 30 + [0.69] * 10)
    table.learn(clusters, np.tile([1.0, 0.0], (100, 1)), heat)
    count, most = table.thresholds()
    assert count == 50
    assert most == pytest.approx(0.6)


def test_degraded_requests_get_the_best_guess_there_is() -> None:
    core = AdaptiveCore(3, AdaptiveSettings(audit=0.0))
    core.train(np.zeros(3, dtype=np.int64), np.repeat(SURE, 3, axis=0))
    core.bucket.level = 0
    plan = core.plan(np.array([0, 5]))
    assert plan.paths.tolist() == [DEGRADED, DEGRADED]
    assert plan.rows.argmax(axis=1).tolist() == [1, 1]
    empty = AdaptiveCore(3)
    empty.bucket.level = 0
    assert np.isnan(empty.plan(np.array([0])).rows).all()


def test_scores_that_cannot_be_are_refused() -> None:
    core = AdaptiveCore(3)
    with pytest.raises(UsageError, match="not finite"):
        core.settle(core.plan(np.array([0])), np.array([[np.nan, 0.0, 0.0]]))
    with pytest.raises(UsageError, match="shape"):
        core.settle(core.plan(np.array([0])), np.zeros((1, 2)))


# --- cache, clusters, snapshot ---------------------------------------------------------------


def test_the_cache_keeps_confident_rows_for_their_time_and_the_recent_ones() -> None:
    cache = DecisionCache(size=2, ttl=60)
    cache.put("a", SURE[0], 0.79, now=0)
    assert len(cache) == 0
    for key in "abc":
        cache.put(key, SURE[0], 0.8, now=0)
        cache.get("a", 1)
    assert cache.get("b", 1) is None
    assert cache.get("a", 59.9) is not None
    assert cache.get("a", 60.0) is None
    cache.clear()
    assert len(cache) == 0


def test_a_cached_decision_that_an_audit_refutes_is_forgotten() -> None:
    core = AdaptiveCore(3, AdaptiveSettings(share=1.0, horizon=10, audit=1.0))
    assert run(core, [0], SURE, keys=["k"]) == ["expensive"]
    changed = np.array([[9.0, 0.0, 0.0]])
    plan = core.plan(np.array([0]), keys=["k"])
    assert plan.paths.tolist() == [CACHE]
    routed = core.settle(plan, changed)
    assert routed.rows.argmax() == 1
    assert (routed.audited, routed.disagreed) == (1, 1)
    assert core.plan(np.array([0]), keys=["k"]).rows.argmax() == 0


def _unit(rows: list[list[float]]) -> np.ndarray:
    found = np.array(rows, dtype=np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_clusters_are_led_by_the_first_of_their_kind() -> None:
    clusters = Clusters(radius=0.8, limit=3)
    vectors = _unit([[1, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0.1, 0.9, 0], [0, 0, 1], [-1, -1, -1]])
    assert clusters.assign(vectors).tolist()[:5] == [0, 0, 1, 1, 2]
    assert len(clusters) == 3
    assert clusters.assign(vectors[[3, 0]]).tolist() == [1, 0]
    assert clusters.assign(vectors[:0]).tolist() == []


def test_clusters_on_cuda_are_those_of_the_cpu() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    vectors = _unit(np.random.default_rng(0).normal(size=(500, 32)).tolist())
    here, there = Clusters(0.5), Clusters(0.5, device="cuda")
    assert here.assign(vectors).tolist() == there.assign(vectors).tolist()


def test_a_restored_snapshot_goes_on_as_the_original_would(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    core = AdaptiveCore(3, AdaptiveSettings(audit=0.2), seed=5)
    rows = rng.normal(size=(9, 3))
    for _ in range(20):
        run(core, rng.integers(0, 9, 30).tolist(), rows)
    core.save(tmp_path / "x.npz", leaders=np.eye(3))
    again, extra = AdaptiveCore.load(tmp_path / "x.npz")
    assert (extra["leaders"] == np.eye(3)).all()
    assert again.settings == core.settings
    batches = [rng.integers(0, 9, 30).tolist() for _ in range(10)]
    assert [run(core, b, rows) for b in batches] == [run(again, b, rows) for b in batches]
    assert again.by_path.tolist() == core.by_path.tolist()
    (tmp_path / "y.npz").write_bytes(b"no")
    with pytest.raises(UsageError, match="not a snapshot"):
        AdaptiveCore.load(tmp_path / "y.npz")
