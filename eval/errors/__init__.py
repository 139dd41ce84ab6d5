"""Error analysis of recorded runs: failures, their clusters with a report, and a bead for each
cluster."""
