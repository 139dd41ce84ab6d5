"""The memory of runs: context packs, routines and insights, and the shelf beads that hold them."""

from tiers.memory.shelves import Memory, MemoryPolicy, Packs, fleet_identity

__all__ = ["Memory", "MemoryPolicy", "Packs", "fleet_identity"]
