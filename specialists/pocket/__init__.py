"""The embedded pocket fleet: task generators, the small base model trained on them and its adapters."""
