"""What went wrong in recorded runs: failures, their clusters with a report, and a bead for each."""
