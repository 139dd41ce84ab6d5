"""Programs to be written: one call, judged by running what came."""

from tiers.domains.function.function_domain import FunctionDomain, judges_code, wants_code

DOMAIN = FunctionDomain()

__all__ = ["DOMAIN", "FunctionDomain", "judges_code", "wants_code"]
