"""The ``harness`` command. Importing it is cheap; commands import what they need."""

import gc

# Modules stay loaded until the end. With Python's default threshold of 700, thousands of garbage
# collections would run during the imports, a fifth of the time that a command takes to start.
# through them while they are imported, a fifth of the time that a command takes to start.
gc.set_threshold(50_000, 20, 20)

from harness.cli.app import main  # noqa: E402

__all__ = ["main"]
