/** The computation of tiles and bands, in whatever thread it runs. */
import { Kernels, Arena } from "./kernels.js";
import { Model, Layer } from "./model.js";
import { FormatError } from "./errors.js";
import { MAX_CODE, TileDecoder, TileShape } from "./prior.js";
import { Axis, doubling, resample } from "./resample.js";

/** The codes of adjacent cells, (rows + 1, columns + 1, C) in 1/4 level, and what is to be made of them. */
export interface Band {
  codes: Int32Array;
  rows: number;
  columns: number;
  /** Samples across a cell before any doubling. */
  n: number;
  doublings: number;
  restored: boolean;
  grey: boolean;
  rateIndex: number;
  /** Blocks of margin that the codes have: above, below, left, right. */
  margins: [number, number, number, number];
}

/** Planes (count, height, width) in 1/16 level. */
export interface Planes { samples: Int16Array; count: number; height: number; width: number }

/** Largest magnitude of a code times its multiplier, in 1/4 level. */
const MAX_PRODUCT = 2 ** 18;

/** The number of bits of s^8, less one. */
export function rateIndexOf(step: number): number {
  return (BigInt(step) ** 8n).toString(2).length - 1;
}

export class Engine {
  private readonly atoms = new Map<string, { at: number; channels: number; count: number; padded: number; peak: number }>();
  private multipliers: { step: number; values: Int32Array } | undefined;

  constructor(readonly kernels: Kernels, readonly model: Model) {}

  /** The pixels of margin that the restoration needs. */
  restorationMargin(grey: boolean): number {
    return grey && !this.model.restoresGrey ? 0 : 2 * this.model.restoration.length;
  }

  get enlargementMargin(): number {
    return Math.max(2 * this.model.enlargement.length, 4);
  }

  finishingMargin(doublings: number, grey: boolean): number {
    let margin = this.restorationMargin(grey);
    for (let d = 0; d < doublings; d++) margin += (Math.ceil(this.enlargementMargin / 2 ** d) + 1) & ~1;
    return margin;
  }

  /** Decodes the codes of a tile, in 1/4 level. */
  tile(coded: Uint8Array, shape: TileShape, step: number): Int32Array {
    const codes = new TileDecoder(this.kernels, this.model, coded, shape).run();
    if (this.multipliers?.step !== step)
      this.multipliers = {
        step,
        values: this.model.gains.map((gain) => Math.max(1, Math.floor((step * gain + 2 ** 15) / 2 ** 16))),
      };
    const { values } = this.multipliers, count = values.length;
    for (let cell = 0; cell < codes.length; cell += count)
      for (let c = 0; c < count; c++) {
        const code = codes[cell + c];
        if (!code) continue;
        const product = code * values[c];
        if (Math.abs(code) > MAX_CODE || Math.abs(product) > MAX_PRODUCT)
          throw new FormatError("a code is beyond the range of the format: the file is damaged");
        codes[cell + c] = product;
      }
    return codes;
  }

  private packed(plane: number, n: number) {
    const key = `${plane}:${n}`;
    let found = this.atoms.get(key);
    if (!found) {
      const { atoms, channels } = this.model.planes[plane], cell = this.model.cell, count = channels.length;
      const padded = Math.ceil((n * n) / 64) * 64, stacked = new Int16Array(4 * count * padded);
      const reduced = reduction(atoms, 4 * count, cell, n);
      let peak = 0;
      for (const value of reduced) peak = Math.max(peak, Math.abs(value));
      // The quadrants of the cells (i, j), (i, j + 1), (i + 1, j), (i + 1, j + 1) that fall on block (i, j).
      [3, 2, 1, 0].forEach((quadrant, q) => {
        for (let v = 0; v < count; v++)
          stacked.set(reduced.subarray((4 * v + quadrant) * n * n, (4 * v + quadrant + 1) * n * n), (q * count + v) * padded);
      });
      found = { at: this.kernels.put(stacked), channels: this.kernels.put(channels), count, padded, peak };
      this.atoms.set(key, found);
    }
    return found;
  }

  /** Synthesises all planes of a band, with its margins; returns their address in memory of the arena. */
  private synthesise(arena: Arena, band: Band, count: number): number {
    const k = this.kernels, codes = arena.put(band.codes), size = band.rows * band.n * band.columns * band.n;
    const samples = arena.zeros(2 * size * count);
    for (let plane = 0; plane < (band.grey ? 1 : count); plane++) {
      const packed = this.packed(plane, band.n);
      const done = k.call(
        "synthesise", codes, band.rows, band.columns, this.model.channelCount, packed.channels, packed.count, packed.at, band.n,
        BigInt(packed.padded), packed.peak, samples + 2 * size * plane, BigInt(band.columns * band.n),
      );
      if (!done) throw new RangeError("there is no memory for the synthesis");
    }
    return samples;
  }

  /** Returns the finished planes of a band, without its margins. */
  planes(band: Band): Planes {
    const arena = new Arena(this.kernels), { n } = band;
    try {
      const margin = band.restored ? this.finishingMargin(band.doublings, band.grey) : 0;
      const count = band.grey && !margin ? 1 : 3, kept = band.grey ? 1 : 3;
      const height = band.rows * n, width = band.columns * n;
      const all = { at: this.synthesise(arena, band, count), height, width };
      const [above, below, left, right] = band.margins.map((blocks) => blocks * n);
      let window = this.framed(arena, all, count, [above, height - below, left, width - right], margin);
      let spare = margin;
      if (band.restored && this.restorationMargin(band.grey)) {
        window = this.correct(arena, window, band.doublings ? 3 : kept, band.rateIndex);
        spare -= this.restorationMargin(band.grey);
      }
      for (let d = 0; d < band.doublings; d++) {
        window = this.enlarge(arena, window, band.rateIndex);
        spare = 2 * (spare - this.enlargementMargin);
      }
      const [h, w] = [window.height - 2 * spare, window.width - 2 * spare], samples = new Int16Array(kept * h * w);
      for (let p = 0; p < kept; p++)
        for (let y = 0; y < h; y++) {
          const from = window.at + 2 * ((p * window.height + y + spare) * window.width + spare);
          samples.set(this.kernels.i16(from, w), (p * h + y) * w);
        }
      return { samples, count: kept, height: h, width: w };
    } finally {
      arena.free();
    }
  }

  /** Cuts a box (top, bottom, left, right) with a margin, for which the outermost samples are repeated. */
  private framed(arena: Arena, all: Window, count: number, box: number[], margin: number): Window {
    const [top, bottom, left, right] = box, height = bottom - top + 2 * margin, width = right - left + 2 * margin;
    if (height === all.height && width === all.width) return all;
    const at = arena.allocate(2 * count * height * width), k = this.kernels;
    const from = k.i16(all.at, count * all.height * all.width), to = k.i16(at, count * height * width);
    for (let p = 0; p < count; p++)
      for (let y = 0; y < height; y++) {
        const row = (p * all.height + Math.min(Math.max(top - margin + y, 0), all.height - 1)) * all.width;
        const out = (p * height + y) * width, start = left - margin;
        const before = Math.min(Math.max(-start, 0), width), stop = Math.min(width, all.width - start);
        to.fill(from[row], out, out + before);
        if (stop > before) to.set(from.subarray(row + start + before, row + start + stop), out + before);
        to.fill(from[row + all.width - 1], out + Math.max(stop, before), out + width);
      }
    return { at, height, width };
  }

  private handles(arena: Arena, layers: Layer[]): number {
    return arena.put(Int32Array.from(layers, (layer) => layer.handle));
  }

  private correct(arena: Arena, window: Window, kept: number, rateIndex: number): Window {
    const layers = this.model.restoration, margin = 4 * layers.length;
    const height = window.height - margin, width = window.width - margin, at = arena.allocate(2 * kept * height * width);
    const done = this.kernels.call(
      "correct", this.handles(arena, layers), layers.length, window.at, 3, BigInt(window.height * window.width),
      BigInt(window.width), BigInt(window.height / 2), BigInt(window.width / 2), rateIndex, at, kept,
    );
    if (!done) throw new RangeError("there is no memory for the restoration");
    return { at, height, width };
  }

  /** Doubles three planes: FORMAT.md 5.6, enlargement. */
  private enlarge(arena: Arena, window: Window, rateIndex: number): Window {
    const k = this.kernels, layers = this.model.enlargement, margin = this.enlargementMargin;
    const spare = margin - 2 * layers.length, { height, width } = window;
    const rows = (height - 2 * spare) / 2, columns = (width - 2 * spare) / 2;
    const [tall, wide] = [rows - 2 * layers.length, columns - 2 * layers.length];
    const maps = arena.allocate(4 * tall * wide * 48);
    const done = k.call(
      "convolve", this.handles(arena, layers), layers.length, window.at + 2 * (spare * width + spare), 3, BigInt(height * width),
      BigInt(width), BigInt(rows), BigInt(columns), rateIndex, maps,
    );
    if (!done) throw new RangeError("there is no memory for the enlargement");
    const source = { samples: k.i16(window.at, 3 * height * width).slice(), count: 3, height, width };
    const vertical = doubling(margin, height - 2 * margin, height), horizontal = doubling(margin, width - 2 * margin, width);
    const doubled = resample(k, resample(k, source, vertical, true), horizontal, false);
    const at = arena.put(doubled.samples), out = k.i16(at, doubled.samples.length), detail = k.i32(maps, tall * wide * 48);
    const limit = 2 ** 13;
    for (let p = 0; p < 3; p++)
      for (let y = 0; y < doubled.height; y++)
        for (let x = 0; x < doubled.width; x++) {
          const map = ((y >> 2) * wide + (x >> 2)) * 48 + p * 16 + ((y >> 1) & 1) * 8 + ((x >> 1) & 1) * 4 + (y & 1) * 2 + (x & 1);
          const i = (p * doubled.height + y) * doubled.width + x;
          out[i] = Math.min(Math.max(out[i] + detail[map], -limit), limit);
        }
    return { at, height: doubled.height, width: doubled.width };
  }

  /** Returns RGBA or grey bytes, `step` a pixel; with 4, the last byte is 255. */
  pixels(planes: Planes, step: 1 | 3 | 4): Uint8Array {
    const k = this.kernels, arena = new Arena(k), size = planes.height * planes.width;
    try {
      const at = arena.put(planes.samples), out = arena.allocate(size * step + 16);
      if (step === 4) k.u8(out, size * 4).fill(255);
      if (planes.count === 1) {
        const grey = step === 1 ? out : arena.allocate(size);
        k.call("grey", at, BigInt(size), grey);
        if (step > 1) {
          const from = k.u8(grey, size), to = k.u8(out, size * step);
          for (let i = 0, o = 0; i < size; i++, o += step) to[o] = to[o + 1] = to[o + 2] = from[i];
        }
      } else k.call("rgb", at, at + 2 * size, at + 4 * size, BigInt(size), out, step);
      return k.u8(out, size * step).slice();
    } finally {
      arena.free();
    }
  }

  /** Resamples planes, first across, then down. */
  resampled(planes: Planes, horizontal: Axis, vertical: Axis): Planes {
    return resample(this.kernels, resample(this.kernels, planes, horizontal, false), vertical, true);
  }
}

interface Window { at: number; height: number; width: number }

/** Averages quadrants of cell x cell samples over areas to n x n: rounded half up, as `collagecodec.operator.atoms`. */
function reduction(atoms: Int16Array, count: number, cell: number, n: number): Int16Array {
  if (n === cell) return atoms;
  const weights = new Int32Array(n * cell);
  for (let a = 0; a < n; a++)
    for (let y = 0; y < cell; y++)
      weights[a * cell + y] = Math.max(0, Math.min((a + 1) * cell, (y + 1) * n) - Math.max(a * cell, y * n));
  const result = new Int16Array(count * n * n), rows = new Float64Array(n * cell), unit = cell * cell;
  for (let v = 0; v < count; v++) {
    rows.fill(0);
    for (let a = 0; a < n; a++)
      for (let y = 0; y < cell; y++) {
        const w = weights[a * cell + y];
        if (w) for (let x = 0; x < cell; x++) rows[a * cell + x] += w * atoms[(v * cell + y) * cell + x];
      }
    for (let a = 0; a < n; a++)
      for (let b = 0; b < n; b++) {
        let total = 0;
        for (let x = 0; x < cell; x++) total += weights[b * cell + x] * rows[a * cell + x];
        result[(v * n + a) * n + b] = Math.floor((total + Math.floor(unit / 2)) / unit);
      }
  }
  return result;
}
