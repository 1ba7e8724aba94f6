"""Iterated function systems: what they are, how they are learned from pictures, how they are kept."""
