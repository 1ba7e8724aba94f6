"""Bytes of the `.clg` format: container, entropy coding, checksums. Knows nothing about pictures.

The format is specified in `FORMAT.md` beside this file.
"""
