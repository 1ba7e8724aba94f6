"""The coder of FORMAT.md, section 3, in plain Python integers, written from the document.

It shares nothing with `bitstream.entropy`: where the two agree, the document is right.
"""

from collections.abc import Sequence

Intervals = tuple[list[int], list[int]]

CLASS_COUNTS = [2 ** (23 - m) for m in range(24)]


def intervals(counts: Sequence[int]) -> Intervals:
    """Section 3.2: left ends and weights."""
    scale = float(2**24 - len(counts)) / float(sum(counts))
    left = [int(float(sum(counts[:k])) * scale) + k for k in range(len(counts))]
    ends = [*left[1:], 2**24]
    return left, [end - start for start, end in zip(left, ends, strict=True)]


def uniform_interval(m: int, d: int) -> tuple[int, int]:
    """Section 3.5: left end and weight of details `d` of class `m`."""
    return d * 2 ** (23 - m), 2 ** (23 - m)


class Stack:
    """Section 3.3: the state and its words."""

    def __init__(self, data: bytes = b"") -> None:
        self.words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
        self.x = self.words.pop() if self.words else 0
        if self.words:
            self.x = self.x * 2**32 + self.words.pop()

    def put(self, left: int, weight: int) -> None:
        if self.x // 2**40 >= weight:
            self.words.append(self.x % 2**32)
            self.x //= 2**32
        self.x = self.x // weight * 2**24 + left + self.x % weight

    def look(self) -> int:
        return self.x % 2**24

    def drop(self, left: int, weight: int) -> None:
        self.x = self.x // 2**24 * weight + self.look() - left
        if self.x < 2**32 and self.words:
            self.x = self.x * 2**32 + self.words.pop()

    def take(self, table: Intervals) -> int:
        left, weights = table
        k = next(k for k in reversed(range(len(left))) if left[k] <= self.look())
        self.drop(left[k], weights[k])
        return k

    def data(self) -> bytes:
        words = [*self.words, self.x % 2**32, self.x // 2**32]
        while words and words[-1] == 0:
            words.pop()
        return b"".join(word.to_bytes(4, "little") for word in words)


def decode_pass(stack: Stack, indices: Sequence[int], counts: Sequence[Sequence[int]]) -> list[int]:
    """Section 3.4."""
    symbols = [0] * len(indices)
    escapes = []
    for table in sorted(set(indices) - {0}):
        radius = len(counts[table]) // 2 - 1
        for position in (i for i, index in enumerate(indices) if index == table):
            entry = stack.take(intervals(counts[table]))
            symbols[position] = entry - radius
            if entry == 2 * radius + 1:
                escapes.append((position, radius))
    classes = [stack.take(intervals(CLASS_COUNTS)) for _ in escapes]
    for (position, radius), m in zip(escapes, classes, strict=True):
        d = stack.look() // 2 ** (23 - m)
        stack.drop(*uniform_interval(m, d))
        magnitude = 2**m + d // 2 + radius
        symbols[position] = -magnitude if d % 2 else magnitude
    return symbols


def encode_pass(
    stack: Stack, symbols: Sequence[int], indices: Sequence[int], counts: Sequence[Sequence[int]]
) -> None:
    """Section 3.4, reversed."""
    order = sorted((i for i, index in enumerate(indices) if index), key=lambda i: indices[i])
    entries, escapes = [], []
    for i in order:
        radius = len(counts[indices[i]]) // 2 - 1
        excess = abs(symbols[i]) - radius
        entries.append((indices[i], symbols[i] + radius if excess <= 0 else 2 * radius + 1))
        if excess > 0:
            m = excess.bit_length() - 1
            escapes.append((m, 2 * (excess - 2**m) + (symbols[i] < 0)))
    for m, d in reversed(escapes):
        stack.put(*uniform_interval(m, d))
    for m, _ in reversed(escapes):
        left, weights = intervals(CLASS_COUNTS)
        stack.put(left[m], weights[m])
    for table, entry in reversed(entries):
        left, weights = intervals(counts[table])
        stack.put(left[entry], weights[entry])
