"""The domain of programs: one call writes the program, and running it judges it."""

from tiers.domains.function.function_domain import FunctionDomain, judges_code, wants_code

DOMAIN = FunctionDomain()

__all__ = ["DOMAIN", "FunctionDomain", "judges_code", "wants_code"]
