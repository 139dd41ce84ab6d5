"""The four tiers, monitor, architect, dispatcher and fleet, and the protocol in which they speak."""
