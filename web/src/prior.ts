/** Decoding of a tile's codes: FORMAT.md, sections 5.3 to 5.5. */
import { FormatError } from "./errors.js";
import { Arena, Kernels } from "./kernels.js";
import { Model, Network, Slice } from "./model.js";

const ACTIVATION_MAX = 127;
/** Largest magnitude of a code. */
export const MAX_CODE = 2 ** 15 - 1;
const DIAGONAL = [[-1, -1], [-1, 1], [1, -1], [1, 1]];
const DIRECT = [[-1, 0], [0, -1], [0, 1], [1, 0]];

/** Raster indices of the cells of every pass. */
function passes(rows: number, columns: number, first: boolean): Int32Array[] {
  const kinds = first ? [[0], [2], [1]] : [[0, 2], [1]];
  return kinds.map((kind) => {
    const cells = [];
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) if (kind.includes((i % 2) + (j % 2))) cells.push(i * columns + j);
    return Int32Array.from(cells);
  });
}

function mirror(index: number, size: number): number {
  if (index < 0) index = -index;
  if (index >= size) index = 2 * size - 2 - index;
  return index < 0 || index >= size ? -1 : index;
}

function checked(code: number): number {
  if (Math.abs(code) > MAX_CODE) throw new FormatError("a code is beyond the range of the format: the file is damaged");
  return code;
}

export interface TileShape { rows: number; columns: number; rateIndex: number; grey: boolean; slices: number }

/** Decodes one tile. */
export class TileDecoder {
  private readonly arena: Arena;
  private readonly codes: Int32Array;
  private readonly active: Uint8Array;
  private readonly state: number;
  private readonly seen: number;
  private readonly channels: number;

  constructor(private readonly k: Kernels, private readonly model: Model, coded: Uint8Array, private readonly shape: TileShape) {
    this.channels = model.channelCount;
    const cells = shape.rows * shape.columns;
    this.active = shape.grey ? model.luma : new Uint8Array(this.channels).fill(1);
    this.codes = new Int32Array(cells * this.channels);
    if (coded.length % 4) throw new FormatError("coded data come in words of 4 bytes: the file is damaged");
    if (coded.length && !coded.subarray(-4).some((byte) => byte))
      throw new FormatError("the coded data end in a zero word: the file is damaged");
    this.arena = new Arena(k);
    this.seen = this.arena.zeros(cells * this.channels + 16);
    this.state = this.arena.zeros(24);
    k.call("rans_start", this.state, this.arena.put(coded), BigInt(coded.length / 4));
  }

  /** Returns the codes (rows, columns, C), 0 in the channels that are not coded. */
  run(): Int32Array {
    try {
      for (let i = 0; i < this.shape.slices; i++) this.slice(i);
      if (this.shape.slices === this.model.slices.length && !this.k.call("rans_finished", this.state))
        throw new FormatError("the coded data do not end with the last symbol: the file is damaged");
      return this.codes;
    } finally {
      this.arena.free();
    }
  }

  private slice(index: number): void {
    const { k, model, shape, channels } = this, { rows, columns } = shape;
    const slice = model.slices[index], arena = new Arena(k);
    try {
      const offset = slice.before?.outputs ?? 0, width = slice.own.outputs, features = offset + width + 2;
      const step = Math.ceil(features / 4) * 4, across = columns + 2;
      const framed = arena.zeros((rows + 2) * across * step + 16);
      let earlier: Uint8Array | undefined;
      if (slice.before) {
        const out = arena.allocate(rows * columns * offset);
        this.apply(slice.before.handle, this.seen, 0, channels, 0, rows * columns, ACTIVATION_MAX, out, offset);
        earlier = k.u8(out, rows * columns * offset);
      }
      const frame = k.u8(framed, (rows + 2) * across * step);
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < columns; j++) {
          const at = ((i + 1) * across + j + 1) * step, cell = i * columns + j;
          if (earlier) frame.set(earlier.subarray(cell * offset, (cell + 1) * offset), at);
          frame[at + features - 2] = shape.rateIndex;
          frame[at + features - 1] = ACTIVATION_MAX;
        }
      passes(rows, columns, index === 0).forEach((cells, number) => {
        if (!cells.length) return;
        const inner = new Arena(k);
        try {
          const tables = this.tables(inner, slice.networks[number], framed, across * step, step, cells);
          this.pass(inner, index, number, slice, cells, tables);
          if (number + 1 < slice.networks.length)
            this.embed(inner, slice, cells, framed, across, step, offset);
        } finally {
          inner.free();
        }
      });
    } finally {
      arena.free();
    }
  }

  private apply(
    layer: number, x: number, row: number, step: number, where: number, count: number, top: number, out: number, stride: number,
    rateIndex = 0,
  ): void {
    this.k.call("layer_apply", layer, x, BigInt(row), BigInt(step), where, BigInt(count), rateIndex, top, out, BigInt(stride));
  }

  /** Returns the address of the tables (M, N) of a pass. */
  private tables(arena: Arena, network: Network, framed: number, row: number, step: number, cells: Int32Array): number {
    const { near, mix, out } = network, { columns, rateIndex } = this.shape, count = cells.length;
    const where = arena.put(cells.map((cell) => Math.floor(cell / columns) * (columns + 2) + (cell % columns)));
    const first = arena.zeros(count * near.outputs + 16), second = arena.zeros(count * mix.outputs + 16);
    const tables = arena.allocate(count * out.outputs);
    this.apply(near.handle, framed, row, step, where, count, ACTIVATION_MAX, first, near.outputs);
    this.apply(mix.handle, first, 0, near.outputs, 0, count, ACTIVATION_MAX, second, mix.outputs);
    this.apply(out.handle, second, 0, mix.outputs, 0, count, this.model.tableCount - 1, tables, out.outputs, rateIndex);
    return tables;
  }

  private pass(arena: Arena, index: number, number: number, slice: Slice, cells: Int32Array, tables: number): void {
    const { k, channels, model } = this, width = slice.last - slice.first;
    const coded: number[] = [];
    for (let c = 0; c < width; c++) if (this.active[slice.first + c]) coded.push(c);
    if (coded.length < width) {
      const all = k.u8(tables, cells.length * width);
      for (let m = 0, to = 0; m < cells.length; m++) for (const c of coded) all[to++] = all[m * width + c];
    }
    const count = cells.length * coded.length, symbols = arena.allocate(4 * count);
    const status = k.call("rans_decode", this.state, model.tables, tables, BigInt(count), symbols);
    if (status === 1) throw new FormatError("a symbol is larger than the format allows: the file is damaged");
    if (status) throw new RangeError("there is no memory for a pass of symbols");
    const values = k.i32(symbols, count), seen = k.u8(this.seen, this.codes.length), last = model.magnitudes.length - 1;
    for (let m = 0, from = 0; m < cells.length; m++) {
      const at = cells[m] * channels + slice.first;
      for (const c of coded) {
        const value = values[from++];
        this.codes[at + c] = value;
        seen[at + c] = model.magnitudes[Math.min(Math.abs(value), last)];
      }
    }
    if (index) return;
    if (number) this.around(number, cells, coded, width);
    else this.chain(coded, width);
  }

  /** Adds to the symbols of pass A their predictions from the cell before. */
  private chain(coded: number[], width: number): void {
    const { rows, columns } = this.shape, { codes, channels } = this;
    for (let i = 0; i < rows; i += 2)
      for (let j = 0; j < columns; j += 2) {
        const at = (i * columns + j) * channels;
        const before = j ? at - 2 * channels : i ? at - 2 * columns * channels : -1;
        for (const c of coded)
          if (c < width)
            codes[at + c] = checked(codes[at + c] + (before < 0 ? 0 : (this.model.left[c] * codes[before + c] + 128) >> 8));
      }
  }

  /** Adds to the symbols of pass B or C their predictions from four neighbours. */
  private around(number: number, cells: Int32Array, coded: number[], width: number): void {
    const { rows, columns } = this.shape, { codes, channels } = this;
    const places = number === 1 ? DIAGONAL : DIRECT, weights = number === 1 ? this.model.diagonal : this.model.direct;
    const sums = new Float64Array(width);
    for (const cell of cells) {
      sums.fill(128);
      places.forEach(([y, x], place) => {
        const row = mirror(Math.floor(cell / columns) + y, rows), column = mirror((cell % columns) + x, columns);
        if (row < 0 || column < 0) return;
        const from = (row * columns + column) * channels;
        for (let s = 0; s < width; s++) {
          const code = codes[from + s];
          if (!code) continue;
          const at = (place * width + s) * width;
          for (let c = 0; c < width; c++) sums[c] += code * weights[at + c];
        }
      });
      const at = cell * channels;
      for (const c of coded) codes[at + c] = checked(codes[at + c] + Math.floor(sums[c] / 256));
    }
  }

  private embed(arena: Arena, slice: Slice, cells: Int32Array, framed: number, across: number, step: number, offset: number): void {
    const { k } = this, { rows, columns } = this.shape, width = slice.own.outputs;
    const out = arena.allocate(cells.length * width);
    this.apply(
      slice.own.handle, this.seen + slice.first, 0, this.channels, arena.put(cells), cells.length, ACTIVATION_MAX, out, width,
    );
    const embedded = k.u8(out, cells.length * width), frame = k.u8(framed, (rows + 2) * across * step);
    cells.forEach((cell, m) => {
      const at = ((Math.floor(cell / columns) + 1) * across + (cell % columns) + 1) * step + offset;
      frame.set(embedded.subarray(m * width, (m + 1) * width), at);
    });
  }
}
