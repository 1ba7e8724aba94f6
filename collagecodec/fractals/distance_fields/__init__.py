"""Iterated function systems as distance fields: maps of shapes, a smooth union, rendered exactly and fitted by
gradient.

`system` and `rendering` need numpy; `fitting` needs PyTorch and SciPy (the extra `train`).
"""
