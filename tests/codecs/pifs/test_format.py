"""Section 6.4 of FORMAT.md, read literally: a decoder in plain loops gives the pixels of the codec."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from pifs_scenes import scene

from bitstream.container import Reader
from bitstream.entropy import Decoder, Tables
from bitstream.fixed_width import pack_fixed
from collagecodec.codecs.dct import entropy
from collagecodec.codecs.pifs.codec import PifsCodec
from collagecodec.sampling.colour import grey_pixels

WEIGHTS = (0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181)
QUARTERS = (1048576, 1246974, 1482910, 1763488)
LIMIT = 2**13
Cell = tuple[int, int, int, int, int, int, int, int]
"""Size, y, x, mean, a, place down, across, isometry."""


def clipped(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


def bits_of(data: bytes) -> Iterator[int]:
    return iter([byte >> bit & 1 for byte in data for bit in range(8)])


def number(stream: Iterator[int], width: int) -> int:
    return sum(next(stream) << bit for bit in range(width))


class Document:
    """A decoder of one grey tile."""

    def __init__(self, data: bytes) -> None:
        reader = Reader(data)
        self.w, self.h, self.payload = reader.header.width, reader.header.height, bytes(reader.tile(0))
        flags, self.L, self.l, self.domain, self.d, window, self.b, self.times, zero, low, high = (
            reader.header.params
        )
        self.augment, self.s, self.window = flags & 1, low + 256 * high, 1 << window >> 1
        assert zero == 0

    def positions(self, size: int) -> tuple[int, int]:
        sides = self.h // 2, self.w // 2
        if size < self.domain or min(sides) < size:
            return 0, 0
        return (sides[0] - size) // self.d + 1, (sides[1] - size) // self.d + 1

    def choices(self, size: int) -> list[int]:
        return [min(n, self.window) if self.window else n for n in self.positions(size)]

    def corner(self, size: int, axis: int, at: int, place: int) -> int:
        count, width = self.positions(size)[axis], self.choices(size)[axis]
        group = at // 64 if self.window else 0
        first = clipped((32 * group + 16 - size // 2) // self.d - width // 2, 0, count - width)
        return self.d * (first + place)

    def render(self, cells: list[Cell]) -> np.ndarray:
        rows, columns = (-(-side // self.L) * self.L for side in (self.h, self.w))
        z = np.zeros((rows, columns), int)
        for size, y, x, mean, *_ in cells:
            z[y : y + size, x : x + size] = mean
        for _ in range(self.times - 1):
            new = z.copy()
            for size, y, x, mean, a, down, across, isometry in cells:
                if a == 0:
                    continue
                top, left = self.corner(size, 0, y, down), self.corner(size, 1, x, across)
                part = z[2 * top : 2 * (top + size), 2 * left : 2 * (left + size)]
                v = part[::2, ::2] + part[1::2, ::2] + part[::2, 1::2] + part[1::2, 1::2]
                v = np.rot90(v, isometry % 4)
                v = v[::-1] if isometry >= 4 else v
                m = (int(v.sum()) + size * size // 2) // size**2
                new[y : y + size, x : x + size] = np.clip(mean + (a * (v - m) + 32) // 64, -LIMIT, LIMIT)
            z = new
        return grey_pixels(z[: self.h, : self.w].astype(float))

    def fixed(self) -> list[Cell]:
        stream, cells, some = bits_of(self.payload), [], self.positions(self.L)[0] > 0
        for y in range(0, self.h, self.L):
            for x in range(0, self.w, self.L):
                mean = (2 * number(stream, self.b) + 1) * 2048 // 2**self.b - 2048
                a = number(stream, 4) if some else 0
                a = -a if some and self.augment and number(stream, 1) else a
                places = [number(stream, (n - 1).bit_length()) if some else 0 for n in self.choices(self.L)]
                cells.append((self.L, y, x, mean, a, *places, number(stream, 3) if some and self.augment else 0))
        return cells

    def entropy(self) -> list[Cell]:
        split, codes = int.from_bytes(self.payload[:2], "little"), int.from_bytes(self.payload[2:6], "little")
        choice = list(zlib.decompress(self.payload[6 : 6 + split]))
        roots, rest = choice[0], choice[1:]
        counts: list[np.ndarray] = [np.zeros(2, int), *entropy.tables().counts[1:]]
        for t in range(64, 128):
            o, i = divmod(t - 96, 4)
            counts.append(np.array((1, 2**20, math.floor(QUARTERS[i] * 2.0**o), 1)))
        sizes = [self.L >> k for k in range((self.L // self.l).bit_length())]
        chosen: dict[int, list[int]] = {}
        factors: dict[int, int] = {}
        for size in sizes:
            chosen[size], rest = (rest[:12], rest[12:]) if size != self.l else ([], rest)
            if self.positions(size)[0]:
                n = [part for byte in rest[:8] for part in (byte & 15, byte >> 4)]
                W, rest = [2**20 * WEIGHTS[k] + 1 for k in n], rest[8:]
                factors[size] = len(counts)
                first = [*W[:0:-1], 2 * W[0]] if self.augment else [*[1] * 15, W[0]]
                counts.append(np.array([*first, *W[1:], 1]))
        assert not rest
        decoder = Decoder(self.payload[6 + split : 6 + split + codes], Tables(counts))
        cells = self.nodes(decoder, roots, sizes, chosen, factors)
        decoder.finish()
        stream, found = bits_of(self.payload[6 + split + codes :]), []
        for size, y, x, mean, a in cells:
            places = [number(stream, (n - 1).bit_length()) for n in self.choices(size)] if a else [0, 0]
            found.append((size, y, x, mean, a, *places, number(stream, 3) if a and self.augment else 0))
        return found

    def nodes(
        self,
        decoder: Decoder,
        roots: int,
        sizes: list[int],
        chosen: dict[int, list[int]],
        factors: dict[int, int],
    ) -> list[tuple[int, int, int, int, int]]:
        def take(tables: list[int]) -> list[int]:
            return decoder.decode(np.array(tables, np.uint8)).tolist()

        rows, columns, cells = -(-self.h // self.L), -(-self.w // self.L), []
        codes = np.array(take([roots] * (rows * columns))).reshape(rows, columns)
        codes[:, 0] = np.cumsum(codes[:, 0])
        codes = np.cumsum(codes, 1)
        means = {
            (i, j): clipped((2 * int(codes[i, j]) * self.s + self.L) // (2 * self.L), -LIMIT, LIMIT)
            for i in range(rows)
            for j in range(columns)
        }
        present, activity = dict.fromkeys(means, True), dict.fromkeys(means, 0)
        for size in sizes:
            order = [at for at in sorted(means) if present[at]]
            context = {at: sum(activity[at] >= edge for edge in (1, 4, 10)) for at in order}
            last = size == self.l
            flags = [0] * len(order) if last else take([chosen[size][context[at]] for at in order])
            divided = [at for at, flag in zip(order, flags, strict=True) if flag]
            leaves = [at for at, flag in zip(order, flags, strict=True) if not flag]
            a = take([factors[size]] * len(leaves)) if size in factors else [0] * len(leaves)
            cells += [(size, i * size, j * size, means[i, j], k) for (i, j), k in zip(leaves, a, strict=True)]
            if last:
                return cells
            bands = [chosen[size][4 * band + context[at]] for band in (1, 1, 2) for at in divided]
            q = np.array(take(bands)).reshape(3, -1)
            haar = {at: [int(value) for value in q[:, k]] for k, at in enumerate(divided)}
            means, present, activity = self.quarters(size, means, haar)
        raise AssertionError

    def quarters(
        self, size: int, means: dict[tuple[int, int], int], haar: dict[tuple[int, int], list[int]]
    ) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], bool], dict[tuple[int, int], int]]:
        finer, present, activity = {}, {}, {}
        t = {at: sum(map(abs, values)) for at, values in haar.items()}
        for (i, j), mean in means.items():
            h = v = d = 0
            if (i, j) in haar:
                steps = [(2 * q * self.s + size) // (2 * size) for q in haar[i, j]]
                near = [means.get(at, mean) for at in ((i, j - 1), (i, j + 1), (i - 1, j), (i + 1, j))]
                h, v, d = (
                    (near[0] - near[1] + 4) // 8 + steps[0],
                    (near[2] - near[3] + 4) // 8 + steps[1],
                    steps[2],
                )
            around = sum(t.get(at, 0) for at in ((i, j - 1), (i, j + 1), (i - 1, j), (i + 1, j)))
            for y, x, value in ((0, 0, h + v + d), (0, 1, v - h - d), (1, 0, h - v - d), (1, 1, d - h - v)):
                at = 2 * i + y, 2 * j + x
                finer[at] = clipped(mean + value, -LIMIT, LIMIT)
                inside = at[0] * size // 2 < self.h and at[1] * size // 2 < self.w
                present[at] = (i, j) in haar and inside
                activity[at] = 2 * t.get((i, j), 0) + around
        return finer, present, activity


@pytest.mark.parametrize(
    "setting",
    [
        {"step": 30.0, "largest": 16, "smallest": 2, "smallest_domain": 4, "window": 4},
        {"step": 20.0, "largest": 32, "smallest": 1, "domain_step": 2, "window": 8, "augment": False},
        {"coding": "fixed", "largest": 8, "smallest": 8, "domain_step": 6, "window": 0, "mean_bits": 7},
        {"coding": "fixed", "largest": 12, "smallest": 12, "window": 2, "augment": False},
    ],
)
def test_a_decoder_from_the_document_agrees(setting: dict[str, object]) -> None:
    codec = PifsCodec(**setting)  # type: ignore[arg-type]
    data = codec.encode(scene(77, 141, 5, grey=True))
    document = Document(data)
    cells = document.fixed() if document.b else document.entropy()
    assert any(cell[4] for cell in cells)
    np.testing.assert_array_equal(document.render(cells), codec.decode(data))


def test_the_bits_of_the_helper_are_those_of_section_four() -> None:
    stream = bits_of(pack_fixed(np.array([5, 0, 300]), np.array([3, 1, 9])))
    assert [number(stream, width) for width in (3, 1, 9)] == [5, 0, 300]
