"""Measurement of routers: recorded answers, cost-quality curves, benchmarks."""
