"""The parts of the adaptive router: cache, fast table, token bucket, clusters, and their core."""

from specialists.routing.var.bucket import TokenBucket
from specialists.routing.var.cache import DecisionCache
from specialists.routing.var.clusters import Clusters
from specialists.routing.var.core import (
    DEGRADED,
    PATHS,
    AdaptiveCore,
    AdaptiveSettings,
    Plan,
    Routed,
)
from specialists.routing.var.table import FastTable, clopper_pearson_upper

__all__ = [
    "DEGRADED",
    "PATHS",
    "AdaptiveCore",
    "AdaptiveSettings",
    "Clusters",
    "DecisionCache",
    "FastTable",
    "Plan",
    "Routed",
    "TokenBucket",
    "clopper_pearson_upper",
]
