"""The four tiers, monitor, architect, dispatcher and fleet, and the protocol in which they speak.

``domains/`` holds the kinds of work, ``memory/`` what earlier runs teach, ``prompts/`` how specialists
are spoken to.
"""
