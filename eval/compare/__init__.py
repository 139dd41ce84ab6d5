"""Comparison of systems on the same problems: attempts, sweep, analysis, report, stored
baselines."""
