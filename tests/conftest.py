"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# No unit test is timed: a busy machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
