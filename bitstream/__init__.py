"""Bytes of the `.clg` format: container, entropy coding, checksums. Knows nothing about pictures.

    container    whole files: `write`, `Reader`, `probe`
    header       the header chunk: sizes, codec, tiling, fingerprint
    index        where the tiles are
    chunks       signature, framing, checksums, metadata
    varint       numbers of variable length
    entropy      integers under probability tables, coded with ANS
    fixed_width  integers of a fixed number of bits
    rounding     the rounding mode that exact results need
    errors       the exceptions

The format is specified in `FORMAT.md` beside this file.
"""
