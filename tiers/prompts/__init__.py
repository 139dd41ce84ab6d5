"""How specialists are spoken to: the messages of a step, of an attempt after a failed check, of a pack."""

from tiers.prompts.messages import chat, criticism, framed, reads_text, shown

__all__ = ["chat", "criticism", "framed", "reads_text", "shown"]
