"""Routers measured: recorded answers, cost-quality curves, benchmarks."""
