"""The production codec: lapped learned dictionary, hypernetwork encoder, integer prior."""
