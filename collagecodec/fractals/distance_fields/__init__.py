"""Iterated function systems as distance fields: unions of mapped shapes, rendered exactly and fitted by gradient.

`system` and `rendering` need numpy; `fitting` needs PyTorch and SciPy (the extra `train`).
"""
