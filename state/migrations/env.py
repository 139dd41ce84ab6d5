"""Alembic's entry point: runs the scripts inside the transaction that :mod:`state.schema` has
begun."""

from __future__ import annotations

from alembic import context

from state.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
context.run_migrations()
