"""Untrusted programs run here and nowhere else: contract, bubblewrap implementation, limits."""

from eval.sandbox.bubblewrap import BubblewrapSandbox
from eval.sandbox.contract import Limits, Sandbox, SandboxResult

__all__ = ["BubblewrapSandbox", "Limits", "Sandbox", "SandboxResult"]
