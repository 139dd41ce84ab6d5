"""The four tiers (monitor, architect, dispatcher and fleet) and the protocol between them.

``domains/`` holds the kinds of work, ``memory/`` what runs learn from earlier runs, and
``prompts/`` the messages that specialists are sent.
"""
