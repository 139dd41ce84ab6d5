from __future__ import annotations

from state import BeadStore, ids, keyed_id


def test_ids_are_short_where_beads_are_few(store: BeadStore) -> None:
    lengths = [len(store.create("task", "t").id) - len("hm-") for _ in range(40)]
    assert lengths == [4] * 32 + [5] * 8


def test_a_taken_id_is_lengthened(store: BeadStore) -> None:
    taken = keyed_id("k")
    store.create("task", "took it first", id=taken)
    bead = store.create("task", "t", key="k")
    assert bead.id.startswith(taken)
    assert len(bead.id) == len(taken) + 1
    assert store.create("task", "t", key="k").id == bead.id


def test_a_keyed_id_is_the_same_everywhere() -> None:
    assert keyed_id("run|step|3") == "hm-" + ids.digest("run|step|3")[:10]
    assert keyed_id("run|step|3") != keyed_id("run|step|4")


def test_random_digests_differ() -> None:
    assert len({ids.random_digest() for _ in range(100)}) == 100
    assert len(ids.random_digest()) == 51
