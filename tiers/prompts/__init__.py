"""The messages that specialists are sent: for a step, after a failed check, and with a pack."""

from tiers.prompts.messages import chat, criticism, framed, reads_text, shown

__all__ = ["chat", "criticism", "framed", "reads_text", "shown"]
