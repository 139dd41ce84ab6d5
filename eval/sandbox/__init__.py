"""The sandbox, the only place where untrusted programs run: interface, bubblewrap implementation,
limits."""

from eval.sandbox.bubblewrap import BubblewrapSandbox
from eval.sandbox.contract import Limits, Sandbox, SandboxResult

__all__ = ["BubblewrapSandbox", "Limits", "Sandbox", "SandboxResult"]
