"""Bindings to other libraries."""
