"""The room where everything is remembered: beads, runs and the ledger of calls, in one database."""

from state.database import Database
from state.errors import (
    AdapterError,
    BackendTimeout,
    BackendUnavailable,
    BadAnswer,
    BudgetExceeded,
    ClaimError,
    HarnessError,
    RequestRefused,
    SandboxMissing,
    SandboxUnavailable,
    SetupError,
    StoreError,
    UsageError,
)
from state.home import checkpoint_path, database_url, home, writable_home
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
    Meta,
    Run,
)
from state.rows import BeadChanges, BeadFields, Order
from state.runs import LOCK_TTL_S, Runs
from state.status import RunStatus
from state.stops import StopReason
from state.store import BeadStore

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
    "Meta",
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
