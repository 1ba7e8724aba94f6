"""The grids of cells and tiles of a picture of the codec `collage`.

A picture of H rows has B = ceil(H / 16) block rows and B + 1 cell rows; cell rows j and j + 1 cover block row j.
A tile of T pixels contains T / 16 cell rows, and the last tile also the remaining cell row. The same holds for
columns.
"""

from __future__ import annotations

from dataclasses import dataclass

from bitstream.container import Header
from collagecodec.errors import FormatError, LimitError

MAX_TILE_CELLS = 2**17
"""Maximum number of cells in a tile, checked before memory is allocated for them."""


@dataclass
class Layout:
    """The grids of cells and tiles of a picture; FormatError or LimitError for invalid tile sizes."""

    header: Header
    cell: int

    def __post_init__(self) -> None:
        size = self.header.tile_size
        if size % self.cell:
            raise FormatError(f"tiles of {size} pixels do not fit cells of {self.cell}: the file is damaged")
        self.block_rows = -(-self.header.height // self.cell)
        self.block_columns = -(-self.header.width // self.cell)
        self.tile_cells = size // self.cell if size else max(self.block_rows, self.block_columns) + 1
        sides = [min(self.tile_cells, blocks) + 1 for blocks in (self.block_rows, self.block_columns)]
        if sides[0] * sides[1] > MAX_TILE_CELLS:
            raise LimitError(
                f"a tile has {sides[0]}x{sides[1]} cells, more than {MAX_TILE_CELLS}: use smaller tiles"
            )

    def tile_span(self, index: int, across: bool) -> tuple[int, int]:
        """Return the first cell and the last cell + 1 of a row of tiles, or of a column with `across`."""
        count = self.header.tiles_across if across else self.header.tiles_down
        cells = (self.block_columns if across else self.block_rows) + 1
        return index * self.tile_cells, cells if index + 1 == count else (index + 1) * self.tile_cells

    def tiles_of(self, first: int, last: int, across: bool) -> range:
        """Return the rows of tiles that contain the cells first .. last - 1, or the columns with `across`."""
        count = self.header.tiles_across if across else self.header.tiles_down
        limit = count - 1
        return range(min(first // self.tile_cells, limit), min((last - 1) // self.tile_cells, limit) + 1)
