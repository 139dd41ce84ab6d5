"""Why a run stopped, as one value."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from state.status import StopKind


class StopReason(BaseModel):
    """Why a run stopped: ``kind`` decides what follows from it, ``text`` is one line for people."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: StopKind
    text: str
