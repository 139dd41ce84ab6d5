"""Output of a run for people: live view, progress, history, summary, tables."""
