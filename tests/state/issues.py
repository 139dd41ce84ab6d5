"""Hand-written issues with every feature of the beads JSONL format.

They are ordered and escaped as the format's own program does it, so that export gives them back as
they are.
"""

from __future__ import annotations

from pathlib import Path

FILE = (Path(__file__).parent / "issues.jsonl").read_bytes()
ISSUES = FILE.decode().splitlines()
