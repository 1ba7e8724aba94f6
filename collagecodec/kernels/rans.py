"""The entropy decoder of `bitstream.entropy` in the C core."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitstream import entropy
from bitstream.errors import FormatError
from collagecodec.kernels.library import Rans, address, contiguous, core

_BAD_SYMBOL, _NO_TABLE, _NO_MEMORY = 1, 2, 3


class _Packed:
    """The tables of a model as the core holds them."""

    def __init__(self, library: Any, tables: entropy.Tables) -> None:
        sizes = np.array([counts.size for counts in tables.counts], np.int32)
        counts = contiguous(np.concatenate(tables.counts), np.int64)
        self.handle = library.tables_new(address(counts), address(sizes), sizes.size)
        if not self.handle:
            raise MemoryError("there is no memory for the probability tables")
        weakref.finalize(self, library.tables_free, self.handle)


_packed: weakref.WeakKeyDictionary[entropy.Tables, _Packed] = weakref.WeakKeyDictionary()


class Decoder(entropy.Decoder):
    """See `bitstream.entropy.Decoder`, which does the work where there is no core."""

    def __init__(self, data: bytes | bytearray | memoryview, tables: entropy.Tables) -> None:
        super().__init__(data, tables)
        self._library = core()
        if self._library is None:
            return
        packed = _packed.get(tables)
        if packed is None:
            packed = _packed[tables] = _Packed(self._library, tables)
        self._model, self._state = packed, Rans()
        self._words = np.frombuffer(data, np.uint8)
        self._library.rans_start(ctypes.byref(self._state), address(self._words), self._words.size // 4)

    def decode(self, indices: NDArray[np.uint8]) -> NDArray[np.int32]:
        """See `bitstream.entropy.Decoder.decode`."""
        if self._library is None or indices.ndim != 1 or indices.dtype != np.uint8:
            return super().decode(indices)
        indices = contiguous(indices, np.uint8)
        symbols = np.empty(indices.size, np.int32)
        status = self._library.rans_decode(
            ctypes.byref(self._state), self._model.handle, address(indices), indices.size, address(symbols)
        )
        if status == _BAD_SYMBOL:
            raise FormatError("a symbol is larger than the format allows: the file is damaged")
        if status == _NO_TABLE:
            raise ValueError(f"there is no table {indices.max()}, only {len(self._tables)} counted from 0")
        if status == _NO_MEMORY:
            raise MemoryError("there is no memory for a pass of symbols")
        return symbols

    def finish(self) -> None:
        """See `bitstream.entropy.Decoder.finish`."""
        if self._library is None:
            super().finish()
        elif not self._library.rans_finished(ctypes.byref(self._state)):
            raise FormatError("the coded data do not end with the last symbol: the file is damaged")
