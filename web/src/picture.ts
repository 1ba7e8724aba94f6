/** A picture: which tiles and bands a request needs, and how they come together. */
import { Container, varint } from "./container.js";
import { Band, Planes, rateIndexOf } from "./engine.js";
import { FormatError } from "./errors.js";
import { Axis } from "./resample.js";
import type { TileShape } from "./prior.js";

/** Who computes: this thread or a pool of workers. */
export interface Executor {
  /** What planning needs to know of the model and of its margins. */
  facts: Facts;
  tile(coded: Uint8Array, shape: TileShape, step: number): Promise<Int32Array>;
  planes(band: Band): Promise<Planes>;
  pixels(band: Band, step: 1 | 3 | 4): Promise<{ data: Uint8Array; width: number; height: number }>;
  resampled(planes: Planes, horizontal: Axis, vertical: Axis): Planes;
  finished(planes: Planes, step: 1 | 3 | 4): Uint8Array;
  /** How many bands are to be computed at a time. */
  width: number;
}

export interface Facts {
  cell: number;
  channelCount: number;
  slices: number;
  enlarges: boolean;
  /** Margins in pixels by number of doublings: for colour and for grey pictures. */
  margins: [number[], number[]];
}

export interface Options {
  /** Output pixels for each stored pixel; sizes are rounded up. */
  scale?: number;
  /** Width and height of the output, instead of a scale. */
  size?: [number, number];
  /** x, y, width, height in stored pixels. */
  region?: [number, number, number, number];
  /** Leave out restoration and enlargement. */
  fast?: boolean;
  signal?: AbortSignal;
  /** Called with the share of the work that is done, 0 to 1. */
  progress?: (share: number) => void;
}

export interface Decoded {
  width: number;
  height: number;
  /** 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. */
  channels: number;
  /** width * height * channels bytes. */
  data: Uint8Array;
}

type Span = [number, number];
const BAND_BLOCKS = 512, MAX_TILE_CELLS = 2 ** 17, MAX_DOUBLINGS = 2, SCALE_DENOMINATOR = 2 ** 16;

function bits(value: number): number {
  return value ? 32 - Math.clz32(value) : 0;
}

export class Picture {
  private readonly step: number;
  private readonly grey: boolean;
  private readonly blockRows: number;
  private readonly blockColumns: number;
  private readonly tileCells: number;
  private readonly tiles = new Map<string, Promise<Int32Array>>();

  constructor(readonly container: Container, private readonly executor: Executor) {
    const { header } = container, { cell } = executor.facts;
    if (header.parameters.length !== 2) throw new FormatError("the codec's parameters have a wrong length: the file is damaged");
    this.step = header.parameters[0] + 256 * header.parameters[1];
    if (!this.step) throw new FormatError("the quantiser step is zero: the file is damaged");
    if (header.tileSize % cell) throw new FormatError("the tiles do not fit the cells: the file is damaged");
    this.grey = header.channels <= 2;
    this.blockRows = Math.ceil(header.height / cell);
    this.blockColumns = Math.ceil(header.width / cell);
    this.tileCells = header.tileSize ? header.tileSize / cell : Math.max(this.blockRows, this.blockColumns) + 1;
    const sides = [this.blockRows, this.blockColumns].map((blocks) => Math.min(this.tileCells, blocks) + 1);
    if (sides[0] * sides[1] > MAX_TILE_CELLS) throw new FormatError("a tile is too large for this decoder");
  }

  private resolve(options: Options): { region: [number, number, number, number]; width: number; height: number } {
    const { header } = this.container, region = options.region ?? [0, 0, header.width, header.height];
    const [x, y, w, h] = region;
    if (!region.every(Number.isInteger) || w < 1 || h < 1 || x < 0 || y < 0 || x + w > header.width || y + h > header.height)
      throw new RangeError(`the region ${region} does not lie in the picture of ${header.width}x${header.height} pixels`);
    if (options.size && options.scale !== undefined) throw new RangeError("give scale or size, not both");
    const [numerator, denominator] = fraction(options.scale ?? 1);
    const [width, height] = options.size ?? [w, h].map((side) => Math.ceil((side * numerator) / denominator));
    if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1 || width * height > 2 ** 29)
      throw new RangeError(`a picture of ${width}x${height} pixels cannot be made`);
    return { region, width, height };
  }

  /** Decodes a region at a scale or size. */
  async decode(options: Options = {}): Promise<Decoded> {
    const { region: [x, y, w, h], width, height } = this.resolve(options);
    const { cell, enlarges, margins } = this.executor.facts, { channels } = this.container.header;
    const finest = options.fast || !enlarges ? cell : cell << MAX_DOUBLINGS;
    let n = naturalCell(cell, finest, [w, h], [width, height]);
    const doublings = Math.max(0, bits(Math.ceil(n / cell) - 1));
    if (doublings) n = cell << doublings;
    const rim = n >= cell && (width !== w || height !== h) ? 3 : 0;
    const rows: Span = [Math.floor(Math.max(y - rim, 0) / cell), Math.min(Math.ceil((y + h + rim) / cell), this.blockRows)];
    const columns: Span = [Math.floor(Math.max(x - rim, 0) / cell), Math.min(Math.ceil((x + w + rim) / cell), this.blockColumns)];
    const restored = n >= cell && !options.fast;
    const margin = restored ? Math.ceil(margins[this.grey ? 1 : 0][doublings] / cell) : 0;
    const vertical = shown(y, h, height, n, cell, rows[0] * n, (rows[1] - rows[0]) * n);
    const horizontal = shown(x, w, width, n, cell, columns[0] * n, (columns[1] - columns[0]) * n);
    const jobs = this.jobs(rows, columns, margin, n, Math.min(n, cell), doublings, restored);
    const step = this.grey ? 1 : channels === 4 ? 4 : 3;
    const data = vertical.plain && horizontal.plain
      ? await this.direct(jobs, vertical, horizontal, step, options)
      : await this.indirect(jobs, [rows[1] - rows[0], columns[1] - columns[0]], n, vertical, horizontal, step, options);
    if (channels % 2) return { width, height, channels, data };
    const alpha = await this.alpha([x, y, w, h], width, height);
    const result = channels === 4 ? data : new Uint8Array(2 * width * height);
    for (let i = 0; i < alpha.length; i++) {
      if (channels === 2) result[2 * i] = data[i];
      result[channels * (i + 1) - 1] = alpha[i];
    }
    return { width, height, channels, data: result };
  }

  private jobs(rows: Span, columns: Span, margin: number, n: number, coded: number, doublings: number, restored: boolean): Job[] {
    const across = Math.min(columns[1] - columns[0], 128), jobs: Job[] = [];
    const total = (rows[1] - rows[0]) * (columns[1] - columns[0]);
    const blocks = Math.min(BAND_BLOCKS >> doublings, Math.max(Math.ceil(total / (2 * this.executor.width)), across));
    const tall = Math.max(4 >> doublings, 1, Math.ceil(blocks / across));
    for (let r = rows[0]; r < rows[1]; r += tall)
      for (let c = columns[0]; c < columns[1]; c += across) {
        const box: [Span, Span] = [[r, Math.min(r + tall, rows[1])], [c, Math.min(c + across, columns[1])]];
        jobs.push({ rows: box[0], columns: box[1], top: (r - rows[0]) * n, left: (c - columns[0]) * n, margin, coded, doublings, restored });
      }
    return jobs;
  }

  private async run<T>(jobs: Job[], options: Options, each: (job: Job, band: Band) => Promise<T>): Promise<void> {
    let next = 0, done = 0;
    const worker = async () => {
      while (next < jobs.length) {
        options.signal?.throwIfAborted();
        const job = jobs[next++];
        await each(job, await this.band(job));
        options.progress?.(++done / jobs.length);
      }
    };
    await Promise.all(Array.from({ length: Math.min(this.executor.width, jobs.length) }, worker));
  }

  private async direct(
    jobs: Job[], vertical: Axis, horizontal: Axis, step: 1 | 3 | 4, options: Options,
  ): Promise<Uint8Array> {
    const [height, width] = [vertical.count, horizontal.count], data = new Uint8Array(height * width * step);
    await this.run(jobs, options, async (job, band) => {
      const part = await this.executor.pixels(band, step);
      const x = job.left - horizontal.first, from = Math.max(-x, 0), to = Math.min(part.width, width - x);
      for (let row = 0; row < part.height && from < to; row++) {
        const y = job.top + row - vertical.first;
        if (y < 0 || y >= height) continue;
        data.set(part.data.subarray((row * part.width + from) * step, (row * part.width + to) * step), (y * width + x + from) * step);
      }
    });
    return data;
  }

  private async indirect(
    jobs: Job[], blocks: Span, n: number, vertical: Axis, horizontal: Axis, step: 1 | 3 | 4, options: Options,
  ): Promise<Uint8Array> {
    const count = this.grey ? 1 : 3, [height, width] = [blocks[0] * n, blocks[1] * n];
    const samples = new Int16Array(count * height * width);
    await this.run(jobs, options, async (job, band) => {
      const part = await this.executor.planes(band);
      for (let p = 0; p < count; p++)
        for (let row = 0; row < part.height; row++) {
          const from = (p * part.height + row) * part.width;
          samples.set(part.samples.subarray(from, from + part.width), (p * height + job.top + row) * width + job.left);
        }
    });
    return this.executor.finished(this.executor.resampled({ samples, count, height, width }, horizontal, vertical), step);
  }

  /** Returns a band with its margins, as far as the picture reaches. */
  private async band(job: Job): Promise<Band> {
    const tall = extend(job.rows, job.margin, this.blockRows), wide = extend(job.columns, job.margin, this.blockColumns);
    return {
      codes: await this.codes([tall[0], tall[1] + 1], [wide[0], wide[1] + 1], this.slicesFor(job.coded)),
      rows: tall[1] - tall[0], columns: wide[1] - wide[0], n: job.coded, doublings: job.doublings, restored: job.restored,
      grey: this.grey, rateIndex: rateIndexOf(this.step),
      margins: [job.rows[0] - tall[0], tall[1] - job.rows[1], job.columns[0] - wide[0], wide[1] - job.columns[1]],
    };
  }

  private slicesFor(n: number): number {
    const { cell, slices } = this.executor.facts;
    return n < cell ? Math.min(slices, Math.max(1, bits(n - 1))) : slices;
  }

  private tileSpan(index: number, across: boolean): Span {
    const count = across ? this.container.across : this.container.down;
    const cells = (across ? this.blockColumns : this.blockRows) + 1;
    return [index * this.tileCells, index + 1 === count ? cells : (index + 1) * this.tileCells];
  }

  private tilesOf([first, last]: Span, across: boolean): Span {
    const limit = (across ? this.container.across : this.container.down) - 1;
    return [Math.min(Math.floor(first / this.tileCells), limit), Math.min(Math.floor((last - 1) / this.tileCells), limit)];
  }

  /** Returns the codes (rows, columns, C) of cells. */
  private async codes(rows: Span, columns: Span, slices: number): Promise<Int32Array> {
    const { channelCount } = this.executor.facts, width = columns[1] - columns[0];
    const result = new Int32Array((rows[1] - rows[0]) * width * channelCount);
    const [top, bottom] = this.tilesOf(rows, false), [left, right] = this.tilesOf(columns, true);
    this.forget(top, slices, 2 * (right - left + 1) + 4);
    const parts: Promise<void>[] = [];
    for (let r = top; r <= bottom; r++)
      for (let c = left; c <= right; c++)
        parts.push((async () => {
          const codes = await this.tile(r, c, slices), [y, y1] = this.tileSpan(r, false), [x, x1] = this.tileSpan(c, true);
          const from = Math.max(columns[0], x), to = Math.min(columns[1], x1);
          for (let i = Math.max(rows[0], y); i < Math.min(rows[1], y1); i++) {
            const source = ((i - y) * (x1 - x) + from - x) * channelCount;
            result.set(
              codes.subarray(source, source + (to - from) * channelCount), ((i - rows[0]) * width + from - columns[0]) * channelCount,
            );
          }
        })());
    await Promise.all(parts);
    return result;
  }

  /** Forgets tiles above a row of tiles, if there are many. */
  private forget(row: number, slices: number, most: number): void {
    for (const key of this.tiles.keys()) {
      if (this.tiles.size <= most) return;
      const [r, , s] = key.split(",").map(Number);
      if (r < row || s !== slices) this.tiles.delete(key);
    }
  }

  private tile(row: number, column: number, slices: number): Promise<Int32Array> {
    const key = `${row},${column},${slices}`;
    let codes = this.tiles.get(key);
    if (!codes) {
      codes = this.decodeTile(row, column, slices);
      codes.catch(() => this.tiles.delete(key));
      this.tiles.set(key, codes);
    }
    return codes;
  }

  private async decodeTile(row: number, column: number, slices: number): Promise<Int32Array> {
    const [y, y1] = this.tileSpan(row, false), [x, x1] = this.tileSpan(column, true);
    const [, coded] = this.split(await this.container.tile(row * this.container.across + column));
    const shape = { rows: y1 - y, columns: x1 - x, rateIndex: rateIndexOf(this.step), grey: this.grey, slices };
    return this.executor.tile(coded, shape, this.step);
  }

  /** Splits a tile into its alpha plane and its codes. */
  private split(payload: Uint8Array): [Uint8Array, Uint8Array] {
    if (this.container.header.channels % 2) return [payload.subarray(0, 0), payload];
    const [length, start] = varint(payload, 0);
    if (start + length > payload.length) throw new FormatError("the alpha plane is longer than its tile: the file is damaged");
    return [payload.subarray(start, start + length), payload.subarray(start + length)];
  }

  private async alpha([x, y, w, h]: number[], width: number, height: number): Promise<Uint8Array> {
    const { header, across, down } = this.container, plane = new Uint8Array(w * h);
    const side = header.tileSize || Math.max(header.width, header.height);
    for (let i = 0; i < across * down; i++) {
      const left = side * (i % across), top = side * Math.floor(i / across);
      const right = Math.min(left + side, header.width), bottom = Math.min(top + side, header.height);
      const [x0, x1, y0, y1] = [Math.max(left, x), Math.min(right, x + w), Math.max(top, y), Math.min(bottom, y + h)];
      if (x0 >= x1 || y0 >= y1) continue;
      const values = await unpackAlpha(this.split(await this.container.tile(i))[0], right - left, bottom - top);
      for (let row = y0; row < y1; row++) {
        const from = (row - top) * (right - left);
        plane.set(values.subarray(from + x0 - left, from + x1 - left), (row - y) * w + x0 - x);
      }
    }
    if (width === w && height === h) return plane;
    const samples = Int16Array.from(plane, (value) => 16 * value);
    const scaled = this.executor.resampled(
      { samples, count: 1, height: h, width: w }, new Axis(0, w, 1, width, w), new Axis(0, h, 1, height, h),
    );
    return Uint8Array.from(scaled.samples, (value) => Math.min(Math.max((value + 8) >> 4, 0), 255));
  }
}

interface Job {
  rows: Span; columns: Span; top: number; left: number; margin: number; coded: number; doublings: number; restored: boolean;
}

function extend([first, last]: Span, margin: number, limit: number): Span {
  return [Math.max(first - margin, 0), Math.min(last + margin, limit)];
}

/** The nearest fraction with a denominator of at most 2^16, as the reference decoder takes scales. */
function fraction(value: number): [number, number] {
  if (!(value > 0) || value === Infinity) throw new RangeError(`the scale must be a number above 0, not ${value}`);
  let [p0, q0, p1, q1] = [0, 1, 1, 0], rest = value;
  for (;;) {
    const whole = Math.floor(rest), q2 = q0 + whole * q1;
    if (q2 > SCALE_DENOMINATOR) {
      const k = Math.floor((SCALE_DENOMINATOR - q0) / q1), [p, q] = [p0 + k * p1, q0 + k * q1];
      return Math.abs(p1 / q1 - value) <= Math.abs(p / q - value) ? [p1, q1] : [p, q];
    }
    [p0, q0, p1, q1] = [p1, q1, p0 + whole * p1, q2];
    if (p1 / q1 === value || rest === whole) return [p1, q1];
    rest = 1 / (rest - whole);
  }
}

function naturalCell(cell: number, finest: number, stored: Span, out: Span): number {
  const i = out[0] * stored[1] >= out[1] * stored[0] ? 0 : 1, n = Math.floor((out[i] * cell) / stored[i]);
  const whole = n >= 1 && out.every((side, axis) => side === Math.ceil((stored[axis] * n) / cell));
  return Math.min(finest, whole ? n : Math.ceil((out[i] * cell) / stored[i]));
}

function shown(start: number, length: number, count: number, n: number, cell: number, first: number, limit: number): Axis {
  const whole = count === Math.ceil((length * n) / cell) && (start * n) % cell === 0;
  return new Axis(start * n - first * cell, whole ? count * cell : length * n, cell, count, limit);
}

async function unpackAlpha(packed: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  const method = packed[0], size = width * height;
  if (!(method <= 1)) throw new FormatError("the alpha plane of a tile is damaged");
  const stream = new Blob([packed.slice(1)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const values = new Uint8Array(size), reader = stream.getReader();
  let length = 0;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (length + part.value.length > size) throw new FormatError("the alpha plane of a tile is too long: the file is damaged");
      values.set(part.value, length);
      length += part.value.length;
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    throw error instanceof FormatError ? error : new FormatError("the alpha plane of a tile is damaged");
  }
  if (length !== size) throw new FormatError("the alpha plane of a tile is too short: the file is damaged");
  if (method) for (let i = width; i < size; i++) values[i] += values[i - width];
  return values;
}
