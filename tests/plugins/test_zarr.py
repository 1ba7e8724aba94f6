"""Chunks of Zarr arrays: axes, edges, shards, windows, and what may not be written in parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_model import scene

import collagecodec
from collagecodec.plugins import chunks

zarr = pytest.importorskip("zarr", reason="the extra zarr is not installed")

QUALITY = {"quality": 90, "codec": "dct"}


def array(chunk: tuple[int, ...], shape: tuple[int, ...], dtype: str = "uint8", **settings: Any) -> Any:
    """An array in memory, with the codec found by its entry point."""
    serializer = {"name": "collage", "configuration": settings.pop("configuration", QUALITY)}
    return zarr.create_array(
        zarr.storage.MemoryStore(), shape=shape, chunks=chunk, dtype=dtype, serializer=serializer,
        compressors=None, **{"fill_value": 0, **settings},
    )  # fmt: skip


def stored(group: Any) -> dict[str, bytes]:
    files = group.store._store_dict
    return {name: value.to_bytes() for name, value in files.items() if "zarr.json" not in name}


@pytest.mark.parametrize(
    ("chunk", "laid"),
    [
        ((64, 64), lambda a: a[..., 0]),
        ((64, 64, 3), lambda a: a),
        ((3, 64, 64), lambda a: a.transpose(2, 0, 1)),
        ((1, 3, 64, 64), lambda a: a.transpose(2, 0, 1)[None]),
        ((1, 1, 64, 64), lambda a: a.transpose(2, 0, 1)[None]),
    ],
)
def test_axes_windows_and_edges(chunk: tuple[int, ...], laid: Callable[[Any], Any]) -> None:
    picture = np.ascontiguousarray(laid(scene(100, 150)))
    group = array(chunk, picture.shape)
    group[...] = picture
    whole = group[...]
    assert np.abs(whole.astype(int) - picture).mean() < 3
    window = (..., slice(10, 90), slice(60, 140)) if chunk[-1] == 64 else (slice(10, 90), slice(60, 140))
    np.testing.assert_array_equal(group[window], whole[window])
    np.testing.assert_array_equal(group[..., ::7], whole[..., ::7])
    np.testing.assert_array_equal(group[(0,) * picture.ndim], whole[(0,) * picture.ndim])
    np.testing.assert_array_equal(group.oindex[..., [3, 1]], whole[..., [3, 1]]) if chunk[-1] == 64 else None
    # The chunks at the edge hold no padding.
    sizes = {chunks.stored_size(data) for data in stored(group).values()}
    assert sizes == {(64, 64), (64, 22), (36, 64), (36, 22)}


def test_a_window_decodes_a_part_of_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    group = array((128, 128, 3), (128, 128, 3))
    group[...] = scene(128, 128)
    regions: list[Any] = []
    decode = collagecodec.api.decode
    monkeypatch.setattr(
        "collagecodec.api.decode",
        lambda data, **options: regions.append(options["region"]) or decode(data, **options),
    )
    assert group[20:30, 40:80].shape == (10, 40, 3)
    assert regions == [(40, 20, 40, 10)]


def test_shards_deep_samples_and_many_bands() -> None:
    picture = np.concatenate([scene(100, 150), scene(100, 150, seed=1)[..., :1]], axis=2).astype(np.uint16) * 20
    group = array(
        (32, 32, 4), picture.shape, "uint16", shards=(64, 64, 4), configuration={"codec": "dct", "max_error": 3}
    )
    group[...] = picture
    assert np.abs(group[...].astype(int) - picture).max() <= 3
    assert np.abs(group[33:40, 50:70, 3].astype(int) - picture[33:40, 50:70, 3]).max() <= 3


def test_a_part_of_a_chunk_is_not_written_twice() -> None:
    group = array((64, 64, 3), (100, 100, 3))
    group[:64, :64] = scene(64, 64)
    group[64:, 64:] = scene(36, 36)
    before = stored(group)
    with pytest.raises(ValueError, match="write whole chunks"):
        group[:10, :10] = 5
    with pytest.raises(ValueError, match="write whole chunks"):
        group[70:, 70:] = 5
    assert stored(group) == before
    group[64:, 64:] = scene(36, 36, seed=1)  # the whole of a chunk at the edge
    group[64:, :20] = 9  # a chunk that is not there yet
    assert np.abs(group[64:, :20].astype(int) - 9).max() <= 3
    assert not group[64:, 20:64].any()


def test_empty_chunks_are_not_stored() -> None:
    group = array((64, 64), (128, 128), fill_value=7)
    group[...] = 7
    assert stored(group) == {}
    assert (group[...] == 7).all()


def test_metadata_lead_back_to_the_codec() -> None:
    group = array((64, 64), (64, 64))
    again = zarr.open_array(group.store)
    assert again.serializer == group.serializer
    assert again.serializer.to_dict() == {"name": "collage", "configuration": QUALITY}
    with pytest.raises(ValueError, match="no option typo"):
        array((64, 64), (64, 64), configuration={"typo": 1})
    for shape, dtype in (((64, 64), "float32"), ((64,), "uint8")):
        with pytest.raises(ValueError, match=r"cannot be stored|not a picture"):
            array(shape, shape, dtype)


def test_version_two_has_a_twin() -> None:
    picture = scene(100, 150)
    group = zarr.create_array(
        zarr.storage.MemoryStore(), zarr_format=2, shape=picture.shape, chunks=(64, 64, 3), dtype="uint8",
        compressors={"id": "collage", **QUALITY}, fill_value=0,
    )  # fmt: skip
    group[...] = picture
    assert np.abs(group[...].astype(int) - picture).mean() < 3


def test_axes_can_be_said() -> None:
    assert chunks.axes_of((8, 64, 64)) == "byx"
    assert chunks.axes_of((64, 64, 64)) == "yxb"
    assert chunks.axes_of((64, 64, 64), "byx") == "byx"
    assert chunks.axes_of((1, 1, 8, 8)) == "yx"
    bands: NDArray[np.uint8] = np.ascontiguousarray(np.stack([scene(16, 16)[..., 0]] * 16))
    data = chunks.encode(bands, None, "byx", {"codec": "dct", "max_error": 0})
    np.testing.assert_array_equal(chunks.decode(data, bands.shape, "uint8", None, "byx"), bands)
    with pytest.raises(ValueError, match="does not have the axes"):
        chunks.axes_of((8, 8), "byx")
    with pytest.raises(collagecodec.FormatError, match="holds 16x16"):
        chunks.decode(data, (16, 8, 8), "uint8", None, "byx")
