"""Decoding and encoding refuse to run where floating point does not round to nearest."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import ctypes, ctypes.util, sys
import numpy as np
import collagecodec
from collagecodec.errors import RoundingModeError
picture = np.zeros((9, 9), np.uint8)
data = collagecodec.encode(picture, codec="dct")
libm = ctypes.CDLL(ctypes.util.find_library("m"))
for mode in (0x400, 0x800, 0xC00):
    assert libm.fesetround(mode) == 0
    for call in (lambda: collagecodec.decode(data), lambda: collagecodec.encode(picture, codec="dct")):
        try:
            call()
        except RoundingModeError as error:
            assert "FE_TONEAREST" in str(error)
        else:
            sys.exit(f"mode {mode:x} was not noticed")
    libm.fesetround(0)
    collagecodec.decode(data)
"""


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="the numbers of the modes")
def test_other_rounding_modes_are_refused() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
