"""The decoder's integer arithmetic as a small C core, with numpy as the reference and the fallback.

The C sources are in `src`. A wheel brings them compiled; from a checkout they are compiled on first use
(`build`). `library.core` gives the loaded core, or None where there is none: then the callers compute the
same integers with numpy. $COLLAGE_KERNELS chooses: `off` is numpy alone, `scalar` the portable C.
"""
