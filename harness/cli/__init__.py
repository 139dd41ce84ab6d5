"""The door: the ``harness`` command. Importing it is cheap; commands import what they need."""

from harness.cli.boundary import app, main

__all__ = ["app", "main"]
