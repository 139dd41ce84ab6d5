"""What a context pack costs as the store grows, and how much of an exact search the codes find.

    python -m tests.benchmarks.context --sizes 1000 10000 100000

Beads are of one project, about one of 500 topics each; their vectors are the topic's direction with
noise, so that no embedder is in the times. Beside the pack: the first search of a process (it loads
the codes), a warm search, the same search over all vectors by numpy, and recall@10 against it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from state import Bead, BeadStore
from state.context import pack
from state.vectors import Vectors

TOPICS, DIMENSION = 500, 384


class TopicEmbedding:
    """Texts of one topic lie together: cosine about .5."""

    name = "topics"

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.topics = self.rng.standard_normal((TOPICS, DIMENSION)).astype(np.float32)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        noise = self.rng.standard_normal((len(texts), DIMENSION)).astype(np.float32)
        rows = self.topics[[int(t.split()[0]) for t in texts]] + noise
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def timed(action: Callable[[], object], rounds: int = 15) -> float:
    """Median milliseconds."""
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        action()
        times.append(1000 * (time.perf_counter() - begun))
    return round(median(times), 2)


def measure(count: int, folder: Path) -> dict[str, float]:
    """The figures of one size."""
    store = BeadStore.open(folder / "state.db")
    with store.database.writing() as tx:
        tx.insert(
            Bead(
                id=f"hm-{k:07d}", kind="task", title=f"{k % TOPICS} task {k}",
                body="what it is about " * 12, created_at=k, updated_at=k,
            )
            for k in range(count)
        )  # fmt: skip
    embedding = TopicEmbedding()
    writer = Vectors(store, embedding)
    writer.sync("")
    bead = store.query(limit=1, order="created")[0]

    def fresh() -> Vectors:
        return Vectors(store, embedding)

    first = fresh()
    begun = time.perf_counter()
    pack(store, bead.id, 1024, count_tokens=len, vectors=first)
    first_pack = 1000 * (time.perf_counter() - begun)
    begun = time.perf_counter()
    first = fresh()
    first.search(first.embed("3 x"), [""], 10)
    first_search = 1000 * (time.perf_counter() - begun)
    query = first.embed("7 x")
    ids, rows = everything(store)
    recalls = []
    for topic in range(20):
        asked = embedding.embed([f"{topic} x"])[0]
        exact = {ids[i] for i in np.argsort(-(rows @ asked))[:10]}
        found = {id for id, _ in first.search(asked, [""], 10)}
        recalls.append(len(exact & found) / 10)
    result = {
        "beads": count,
        "first_pack_ms": round(first_pack, 1),
        "pack_ms": timed(lambda: pack(store, bead.id, 1024, count_tokens=len, vectors=first)),
        "first_search_ms": round(first_search, 1),
        "search_ms": timed(lambda: first.search(query, [""], 256)),
        "numpy_ms": timed(lambda: np.argpartition(-(rows @ query), 256)[:256]),
        "codes_mb": round(count * 48 / 1e6, 2),
        "vectors_mb": round(rows.nbytes / 1e6, 2),
        "recall_at_10": round(float(np.mean(recalls)), 3),
    }
    store.close_database()
    return result


def everything(store: BeadStore) -> tuple[list[str], NDArray[np.float32]]:
    """All vectors in one matrix."""
    with store.database.reading() as tx:
        found = tx.rows("SELECT bead_id, vector FROM bead_vector ORDER BY sequence")
        pairs = [(str(id), np.frombuffer(raw, "<f4")) for id, raw in found]
    return [id for id, _ in pairs], np.stack([row for _, row in pairs])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[1000, 10_000, 100_000])
    args = parser.parse_args()
    for count in args.sizes:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(count, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
