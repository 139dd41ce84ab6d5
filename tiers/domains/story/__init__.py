"""Stories about amounts, expressions, and requests to solve, explain and program them."""

from tiers.domains.story.story_domain import StoryDomain, operations, story_of

DOMAIN = StoryDomain()

__all__ = ["DOMAIN", "StoryDomain", "operations", "story_of"]
