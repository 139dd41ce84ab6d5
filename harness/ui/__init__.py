"""What a person sees of a run: live view, progress, history, summary, tables."""
