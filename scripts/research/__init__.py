"""Research benchmarks: what the shipped packages are worth, measured; each is run by ``python -m``."""
