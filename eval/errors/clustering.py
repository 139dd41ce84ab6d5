"""Clusters of similar failures, with names; the number of clusters is not fixed in advance.

HDBSCAN (Campello, Moulavi, Sander 2013), with neighbouring clusters merged, on two concatenated
views of a failure: what failed (signature, check, step, tier, as indicators) and its wording
(sentence embedding). A name says where it failed and what failed, and quotes the most typical
failure.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.errors.run_failures import Failure
from eval.statistics import mcnemar

Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]
"""Texts → (texts, dimension) float32 of unit norm."""

FEWEST = 5
"""Number of failures below which there is no clustering."""
WEIGHTS = {"signature": 1.0, "check": 0.5, "step": 0.5, "tier": 0.5}
"""Field → distance between two failures that differ in it, in addition to at most 2 from their
embeddings."""
TEXT_WEIGHT = 0.7
MERGE = 0.3
"""Distance of centres below which clusters are merged. It is less than any difference of signature,
check, step or tier causes; exact repeats are dense spots that HDBSCAN would otherwise separate."""
EXAMPLES = 3
LONGEST = 70
"""Most characters of the example in a name."""
_WHERE = {"report": "final answer", "monitor": "run"}
_WHAT = {
    "no-plan": "no plan", "budget": "out of budget", "no-answer": "none was given",
    "hidden-mismatch": "verified, but wrong", "wrong-answer": "wrong",
    "no-artifact": "no result in the answer", "exit": "the program left early",
}  # fmt: skip
"""Readable names of signatures that are not words."""


@dataclass(frozen=True)
class Cluster:
    """Failures of one kind."""

    name: str
    key: str
    """Digest of its most frequent normal form."""
    normals: tuple[str, ...]
    """Normal forms of its failures, the most frequent first; a later cluster is matched by
    these."""
    members: tuple[int, ...]
    """Indices into the failures, the most typical first."""
    trend: str
    """Trend between older and newer runs: ``new``, ``gone``, ``rising``, ``falling`` or
    ``steady``."""
    fixes: tuple[tuple[str, int], ...]
    """Remedies of its failures, with counts."""

    @property
    def size(self) -> int:
        """Number of failures."""
        return len(self.members)


def cluster(
    failures: Sequence[Failure], embed: Embed, *, fewest: int | None = None
) -> tuple[list[Cluster], list[int], Vectors]:
    """Clusters, largest first; the label of each failure (its index in that list, −1 for none); and
    the features (failures, dimension).

    ``fewest`` is the size of the smallest cluster (default: 3, or 1% of many failures). Fewer than
    :data:`FEWEST` failures are grouped by their fields alone, and so are those that HDBSCAN leaves
    as noise: it finds no clusters where all failures are of one kind.
    """
    found = features(failures, embed)
    if len(failures) < FEWEST:
        fewest, raw = 1, [-1] * len(failures)
    else:
        fewest = fewest or max(3, len(failures) // 100)
        raw = labels(found, fewest)
    groups: dict[object, list[int]] = {}
    for i, label in enumerate(raw):
        groups.setdefault(label if label >= 0 else _fields(failures[i]), []).append(i)
    large = [g for label, g in groups.items() if isinstance(label, int) or len(g) >= fewest]
    joined = _joined(failures, found, sorted(large, key=len, reverse=True))
    ordered = [_typical(found, group) for group in joined]
    names = names_of([[failures[i] for i in group] for group in ordered])
    clusters = [_cluster(failures, group, name) for group, name in zip(ordered, names, strict=True)]
    place = {i: k for k, group in enumerate(joined) for i in group}
    return clusters, [place.get(i, -1) for i in range(len(failures))], found


def features(failures: Sequence[Failure], embed: Embed) -> Vectors:
    """Indicators of the fields and the embedding, concatenated: (failures, dimension)."""
    parts = [TEXT_WEIGHT * embed([text_of(f) for f in failures])]
    for field, weight in WEIGHTS.items():
        values = [str(getattr(f, field)) for f in failures]
        known = sorted(set(values))
        table = np.zeros((len(failures), len(known)), dtype=np.float32)
        for row, value in enumerate(values):
            # Two rows that differ have the distance √2 in such a table.
            table[row, known.index(value)] = weight / math.sqrt(2)
        parts.append(table)
    return np.concatenate(parts, axis=1).astype(np.float32)


def text_of(failure: Failure) -> str:
    """The text that is embedded: the normalised failure, and the shape of the answer that led to
    it."""
    return f"{failure.normal}\n{shape(failure.general(failure.answer))}"


def shape(answer: str) -> str:
    """The beginning of an answer, without its numbers and names."""
    head = " ".join(answer.split())[:120]
    return re.sub(r"\d+", "#", re.sub(r"\b[A-Z][a-z]+\b", "X", head))


def labels(found: Vectors, fewest: int) -> list[int]:
    """HDBSCAN's labels, merged; −1 is noise."""
    from sklearn.cluster import HDBSCAN

    model = HDBSCAN(min_cluster_size=fewest, min_samples=2, allow_single_cluster=False, copy=True)
    return merged(found, [int(label) for label in model.fit_predict(found.astype(np.float64))])


def merged(found: Vectors, raw: Sequence[int]) -> list[int]:
    """Labels after clusters with centres nearer than :data:`MERGE` are merged (single linkage).

    Implemented here because ``cluster_selection_epsilon`` of scikit-learn 1.9 fails under NumPy
    2.4.
    """
    names = sorted(set(raw) - {-1})
    middle = {n: found[[i for i, x in enumerate(raw) if x == n]].mean(axis=0) for n in names}
    into = {name: name for name in names}
    for k, a in enumerate(names):
        for b in names[k + 1 :]:
            if float(np.linalg.norm(middle[a] - middle[b])) < MERGE:
                old, new = into[b], into[a]
                into = {name: new if group == old else group for name, group in into.items()}
    return [into[x] if x >= 0 else -1 for x in raw]


def names_of(groups: Sequence[Sequence[Failure]]) -> list[str]:
    """A name for each group of failures, its most typical member first; no two are equal."""
    seen: Counter[str] = Counter()
    names = []
    for group in groups:
        name = name_of(group)
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def name_of(group: Sequence[Failure]) -> str:
    """A name made of where most of a group failed, what failed, and the most typical failure as the
    example."""
    (kind, _), *_ = Counter(_fields(f) for f in group).most_common(1)
    typical = next(f for f in group if _fields(f) == kind)
    tier, step, check, signature = kind
    where = _WHERE.get(tier, tier) + (f", {step} step" if step else "")
    # This is a normal form, which the example expresses better.
    told = "" if "#" in signature else signature
    what = _WHAT.get(signature) or told.replace("-", " ") or "failed"
    by = f" ({check} check)" if check else ""
    return f"{where}: {what}{by}, e.g. {_example(typical).removeprefix(f'{what}: ')}"


def _example(failure: Failure) -> str:
    text = failure.detail
    if failure.tier == "report":
        lines = [line for line in failure.answer.splitlines() if line.strip()] or ["no answer"]
        text = f"{failure.problem}: {lines[-1]}"
    short = " ".join(text.split())
    return short if len(short) <= LONGEST else short[: LONGEST - 1] + "…"


def _fields(failure: Failure) -> tuple[str, str, str, str]:
    return failure.tier, failure.step, failure.check, failure.signature


def _joined(
    failures: Sequence[Failure], found: Vectors, groups: list[list[int]]
) -> list[list[int]]:
    """``groups``, largest first, with groups of the same key merged, because a kind has one
    bead."""
    by_key: dict[str, list[int]] = {}
    for group in groups:
        by_key.setdefault(_key(_normals(failures, _typical(found, group))), []).extend(group)
    return sorted(by_key.values(), key=len, reverse=True)


def _typical(found: Vectors, group: list[int]) -> list[int]:
    """``group``, its most typical member first."""
    middle = found[group].mean(axis=0)
    return sorted(group, key=lambda i: float(np.linalg.norm(found[i] - middle)))


def _normals(failures: Sequence[Failure], near: list[int]) -> list[str]:
    return [normal for normal, _ in Counter(failures[i].normal for i in near).most_common()]


def _key(normals: list[str]) -> str:
    return hashlib.sha256(normals[0].encode()).hexdigest()[:16]


def _cluster(failures: Sequence[Failure], near: list[int], name: str) -> Cluster:
    normals = _normals(failures, near)
    fixes = Counter(f.fixed_by for i in near if (f := failures[i]).fixed_by)
    return Cluster(
        name=name,
        key=_key(normals),
        normals=tuple(normals),
        members=tuple(near),
        trend=trend([failures[i] for i in near], failures),
        fixes=tuple((str(what), count) for what, count in fixes.most_common()),
    )


def trend(members: Sequence[Failure], everything: Sequence[Failure]) -> str:
    """Change of a cluster's count between the older and the newer half of the runs.

    ``rising`` and ``falling`` need an exact sign test at 5%.
    """
    runs = list(dict.fromkeys(f.run_id for f in sorted(everything, key=lambda f: f.at)))
    if len(runs) < 2:
        return "one run"
    newer = set(runs[len(runs) // 2 :])
    after = sum(f.run_id in newer for f in members)
    before = len(members) - after
    if not before or not after:
        return "gone" if before else "new"
    if mcnemar(before, after) > 0.05:
        return "steady"
    return "rising" if after > before else "falling"


def plane(found: Vectors) -> NDArray[np.float64]:
    """The features in two dimensions, by principal components: (failures, 2)."""
    middle = found - found.mean(axis=0)
    _, _, axes = np.linalg.svd(middle.astype(np.float64), full_matrices=False)
    flat: NDArray[np.float64] = middle @ axes[:2].T
    return flat if flat.shape[1] == 2 else np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))
