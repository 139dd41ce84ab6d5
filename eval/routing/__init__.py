"""The room where routers are measured: recorded answers, cost-quality curves, benchmarks."""
