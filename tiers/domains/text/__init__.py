"""Free text that no other domain knows, split into its segments or planned by a general model."""

from tiers.domains.text.stages import stages
from tiers.domains.text.text_domain import TextDomain

DOMAIN = TextDomain()

__all__ = ["DOMAIN", "TextDomain", "stages"]
