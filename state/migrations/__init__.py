"""Alembic's scripts, one for each version of the tables, run by :mod:`state.schema`."""
