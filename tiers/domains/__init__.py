"""Kinds of work, one folder each: how problems are recognised, decomposed, prompted, read and
checked."""

from tiers.domains.announced import Domains, installed
from tiers.domains.domain import Approach, BaseDomain, Domain, whole

__all__ = ["Approach", "BaseDomain", "Domain", "Domains", "installed", "whole"]
