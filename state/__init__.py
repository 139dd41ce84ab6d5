"""The memory of all runs in one database: beads, run records and the ledger of model calls.

Public names are imported on first use, because most commands need only a few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Imported eagerly, because the function has the name of its module.
from state.home import checkpoint_path, database_url, home, writable_home

if TYPE_CHECKING:
    from state.database import Database
    from state.errors import (
        AdapterError,
        BackendTimeout,
        BackendUnavailable,
        BadAnswer,
        BudgetExceeded,
        ClaimError,
        HarnessError,
        NoStoreError,
        RequestRefused,
        SandboxMissing,
        SandboxUnavailable,
        SetupError,
        StoreError,
        UsageError,
    )
    from state.filters import Order
    from state.ids import keyed_id
    from state.ledger import Ledger, Usage
    from state.models import (
        BEAD_KINDS,
        BEAD_STATUSES,
        DEPENDENCY_TYPES,
        DONE,
        SCHEMA_VERSION,
        WORK_KINDS,
        Bead,
        BeadKind,
        BeadStatus,
        Call,
        Comment,
        Dependency,
        DependencyType,
        Run,
    )
    from state.rows import BeadChanges, BeadFields
    from state.runs import LOCK_TTL_S, Runs
    from state.status import RunStatus
    from state.stops import StopReason
    from state.store import BeadStore

_MODULES = {
    "database": ("Database",),
    "errors": (
        "AdapterError", "BackendTimeout", "BackendUnavailable", "BadAnswer", "BudgetExceeded",
        "ClaimError", "HarnessError", "NoStoreError", "RequestRefused", "SandboxMissing",
        "SandboxUnavailable", "SetupError", "StoreError", "UsageError",
    ),
    "filters": ("Order",),
    "ids": ("keyed_id",),
    "ledger": ("Ledger", "Usage"),
    "models": (
        "BEAD_KINDS", "BEAD_STATUSES", "DEPENDENCY_TYPES", "DONE", "SCHEMA_VERSION", "WORK_KINDS",
        "Bead", "BeadKind", "BeadStatus", "Call", "Comment", "Dependency", "DependencyType", "Run",
    ),
    "rows": ("BeadChanges", "BeadFields"),
    "runs": ("LOCK_TTL_S", "Runs"),
    "status": ("RunStatus",),
    "stops": ("StopReason",),
    "store": ("BeadStore",),
}  # fmt: skip
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "BEAD_KINDS",
    "BEAD_STATUSES",
    "DEPENDENCY_TYPES",
    "DONE",
    "LOCK_TTL_S",
    "SCHEMA_VERSION",
    "WORK_KINDS",
    "AdapterError",
    "BackendTimeout",
    "BackendUnavailable",
    "BadAnswer",
    "Bead",
    "BeadChanges",
    "BeadFields",
    "BeadKind",
    "BeadStatus",
    "BeadStore",
    "BudgetExceeded",
    "Call",
    "ClaimError",
    "Comment",
    "Database",
    "Dependency",
    "DependencyType",
    "HarnessError",
    "Ledger",
    "NoStoreError",
    "Order",
    "RequestRefused",
    "Run",
    "RunStatus",
    "Runs",
    "SandboxMissing",
    "SandboxUnavailable",
    "SetupError",
    "StopReason",
    "StoreError",
    "Usage",
    "UsageError",
    "checkpoint_path",
    "database_url",
    "home",
    "keyed_id",
    "writable_home",
]


def __getattr__(name: str) -> Any:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
