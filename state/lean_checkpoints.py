"""LangGraph's SQLite saver, which keeps the latest checkpoints of a run and not all of them.

A run is resumed from its last checkpoint; its earlier work is recorded in its beads. With all
checkpoints, the file of a run of a thousand waves has about 8 MB, of which nearly all is never read
again.
"""

from __future__ import annotations

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

KEPT = 64
"""Number of new checkpoints after which all but the last two are removed."""
_OLD = "thread_id = ? AND checkpoint_ns = ? AND checkpoint_id < ?"


class LeanSqliteSaver(AsyncSqliteSaver):
    """Like its base class, but the file stays small however long the run is."""

    _made = 0

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint; at every :data:`KEPT`-th call, remove those before its predecessor."""
        saved = await super().aput(config, checkpoint, metadata, new_versions)
        self._made += 1
        before = config["configurable"].get("checkpoint_id")
        if self._made % KEPT == 0 and before is not None:
            place = config["configurable"]
            old = (str(place["thread_id"]), place.get("checkpoint_ns", ""), before)
            async with self.lock:
                await self.conn.execute(f"DELETE FROM writes WHERE {_OLD}", old)
                await self.conn.execute(f"DELETE FROM checkpoints WHERE {_OLD}", old)
                await self.conn.commit()
        return saved
