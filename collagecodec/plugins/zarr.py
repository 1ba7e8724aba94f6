"""The codec `collage` for Zarr v3, found by the entry point `zarr.codecs`; used as the serializer of an array.

    zarr.create_array(store, shape=..., chunks=(1024, 1024, 3), dtype="uint8",
                      serializer={"name": "collage", "configuration": {"quality": 60}}, compressors=None)

A window of a chunk is decoded without the rest of it. No codec may stand before this one: a transpose would
disable that. Chunks are written whole; writing into a part of one that exists is refused, since what is around it
would lose quality with every write.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from zarr.abc.codec import (
    ArrayBytesCodec,
    ArrayBytesCodecPartialDecodeMixin,
    ArrayBytesCodecPartialEncodeMixin,
)

from collagecodec.plugins import chunks

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer

NAME = "collage"


@dataclass(frozen=True)
class CollageZarrCodec(ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin, ArrayBytesCodecPartialEncodeMixin):
    """Stores each chunk as a `.clg` file. `configuration` holds `axes` and the options of `collagecodec.encode`.

    Raises ValueError for an unknown option.
    """

    is_fixed_size = False

    configuration: dict[str, Any] = field(default_factory=dict)

    def __init__(self, **configuration: Any) -> None:
        if unknown := sorted(set(configuration) - {"axes", *chunks.OPTIONS}):
            raise ValueError(
                f"the codec {NAME!r} has no option {', '.join(unknown)}; it has axes, {', '.join(chunks.OPTIONS)}"
            )
        object.__setattr__(self, "configuration", configuration)

    def __hash__(self) -> int:
        return hash(repr(sorted(self.configuration.items())))

    @property
    def axes(self) -> str | None:
        """One of `chunks.AXES`, or None: the shape of the chunks says."""
        return self.configuration.get("axes")

    @property
    def options(self) -> dict[str, Any]:
        """The options of `collagecodec.encode`."""
        return {name: value for name, value in self.configuration.items() if name != "axes"}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the codec of the metadata of an array."""
        if data.get("name") != NAME:
            raise ValueError(f"{data.get('name')!r} is not the codec {NAME!r}")
        return cls(**data.get("configuration", {}))

    def to_dict(self) -> dict[str, Any]:
        """Return the codec for the metadata of an array."""
        return {"name": NAME, "configuration": dict(self.configuration)}

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Raise ValueError for an array whose chunks cannot be stored."""
        chunks.check(dtype.to_native_dtype(), chunk_grid.chunk_shape, self.axes)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Raise NotImplementedError: the size of a chunk depends on its content."""
        raise NotImplementedError

    async def _encode_single(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        data = await asyncio.to_thread(self._encoded, chunk_array.as_numpy_array(), chunk_spec)
        return chunk_spec.prototype.buffer.from_bytes(data)

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        box = tuple(slice(0, side) for side in chunk_spec.shape)
        pixels = await asyncio.to_thread(self._decoded, chunk_bytes, chunk_spec, box)
        return _buffer(pixels, chunk_spec)

    async def _decode_partial_single(
        self, byte_getter: Any, selection: Any, chunk_spec: ArraySpec
    ) -> NDBuffer | None:
        data = await byte_getter.get(prototype=chunk_spec.prototype)
        if data is None:
            return None
        box, rest = _box(selection, chunk_spec.shape)
        pixels = await asyncio.to_thread(self._decoded, data, chunk_spec, box)
        return _buffer(np.array(pixels[rest], order="C"), chunk_spec)

    async def _encode_partial_single(
        self, byte_setter: Any, chunk_array: NDBuffer, selection: Any, chunk_spec: ArraySpec
    ) -> None:
        fill, shape = chunk_spec.fill_value, chunk_spec.shape
        whole: NDArray[Any] = np.full(shape, 0 if fill is None else fill, _type(chunk_spec))
        box, _ = _box(selection, shape)
        if any(part != slice(0, side) for part, side in zip(box, shape, strict=True)):
            existing = await byte_setter.get(prototype=chunk_spec.prototype)
            if existing is not None and not self._covers(box, existing.to_bytes(), shape):
                raise ValueError(
                    "a part of a chunk that exists would be written, and the rest of it would lose quality: "
                    "write whole chunks (align the region with the chunks), or delete the chunk first"
                )
        whole[selection] = chunk_array.as_numpy_array() if chunk_array.shape else chunk_array.as_scalar()
        if not chunk_spec.config.write_empty_chunks and fill is not None and bool((whole == fill).all()):
            await byte_setter.delete()
            return
        data = await asyncio.to_thread(self._encoded, whole, chunk_spec)
        await byte_setter.set(chunk_spec.prototype.buffer.from_bytes(data))

    def _covers(self, box: chunks.Box, existing: bytes, shape: tuple[int, ...]) -> bool:
        """Return whether `box` replaces all that a chunk at the edge of an array holds."""
        kind = chunks.axes_of(shape, self.axes)
        lead = len(shape) - len(kind)
        sizes = dict(zip("yx", chunks.stored_size(existing), strict=True))
        stored = [sizes.get(name, shape[lead + index]) for index, name in enumerate(kind)]
        needed = [1] * lead + stored
        return all(part.start == 0 and part.stop >= side for part, side in zip(box, needed, strict=True))

    def _encoded(self, chunk: NDArray[Any], chunk_spec: ArraySpec) -> bytes:
        return chunks.encode(chunk, chunk_spec.fill_value, self.axes, self.options)

    def _decoded(self, data: Buffer, chunk_spec: ArraySpec, box: chunks.Box) -> NDArray[Any]:
        fill = chunk_spec.fill_value
        return chunks.decode(data.to_bytes(), chunk_spec.shape, _type(chunk_spec), fill, self.axes, box)


def _buffer(pixels: Any, chunk_spec: ArraySpec) -> NDBuffer:
    return chunk_spec.prototype.nd_buffer.from_ndarray_like(pixels)


def _type(chunk_spec: ArraySpec) -> np.dtype[Any]:
    return np.dtype(chunk_spec.dtype.to_native_dtype())


def _box(selection: Any, shape: tuple[int, ...]) -> tuple[chunks.Box, tuple[Any, ...]]:
    """Return the smallest box of slices that holds a selection, and the selection inside that box."""
    parts = selection if isinstance(selection, tuple) else (selection,)
    box: list[slice] = []
    rest: list[Any] = []
    for index, side in enumerate(shape):
        part = parts[index] if index < len(parts) else slice(None)
        if isinstance(part, slice):
            start, stop, step = part.indices(side)
            box.append(slice(start, max(start, stop)))
            rest.append(slice(None, None, step))
        elif isinstance(part, int | np.integer):
            box.append(slice(int(part), int(part) + 1))
            rest.append(0)
        else:
            box.append(slice(0, side))
            rest.append(part)
    return tuple(box), tuple(rest)
