"""Systems on the same problems: attempts, the sweep, its analysis and report, stored baselines."""
