"""What a run remembers with: context packs, routines and insights, and the shelves they stand on."""

from tiers.memory.shelves import Memory, MemoryPolicy, Packs, fleet_identity

__all__ = ["Memory", "MemoryPolicy", "Packs", "fleet_identity"]
