/** The container of a .clg file: FORMAT.md, section 2. Bytes are read in ranges, so that a tile costs a tile. */
import { FormatError } from "./errors.js";

/** Bytes that are read in ranges. */
export interface Source {
  /** Returns the bytes from `start` up to `end`, fewer where the data end. */
  read(start: number, end: number): Promise<Uint8Array>;
}

export class BytesSource implements Source {
  constructor(private readonly bytes: Uint8Array) {}
  async read(start: number, end: number): Promise<Uint8Array> {
    return this.bytes.subarray(start, end);
  }
}

const BLOCK = 65536;

/** A file on a web server, read by range requests in blocks of 64 KiB, neighbours together. */
export class UrlSource implements Source {
  private readonly blocks = new Map<number, Promise<Uint8Array>>();
  private whole: Uint8Array | undefined;
  /** Bytes that have come over the network. */
  received = 0;

  constructor(private readonly url: string, private readonly signal?: AbortSignal) {}

  async read(start: number, end: number): Promise<Uint8Array> {
    const first = Math.floor(start / BLOCK), last = Math.floor(Math.max(start, end - 1) / BLOCK);
    for (let block = first; block <= last; ) {
      if (this.blocks.has(block)) { block++; continue; }
      let stop = block;
      while (stop < last && !this.blocks.has(stop + 1)) stop++;
      const request = this.fetch(block * BLOCK, (stop + 1) * BLOCK);
      request.catch(() => { for (let b = block; b <= stop; b++) this.blocks.delete(b); });
      for (let b = block; b <= stop; b++) {
        const offset = (b - block) * BLOCK;
        const part = request.then((bytes) => bytes.subarray(offset, offset + BLOCK));
        part.catch(() => undefined);
        this.blocks.set(b, part);
      }
      block = stop + 1;
    }
    const result = new Uint8Array(end - start);
    let length = 0;
    for (let block = first; block <= last; block++) {
      const bytes = await this.blocks.get(block)!;
      const from = Math.max(start - block * BLOCK, 0), to = Math.min(end - block * BLOCK, bytes.length);
      if (to <= from) break;
      result.set(bytes.subarray(from, to), length);
      length += to - from;
    }
    return result.subarray(0, length);
  }

  private async fetch(start: number, end: number): Promise<Uint8Array> {
    if (this.whole) return this.whole.subarray(start, end);
    const response = await fetch(this.url, { headers: { Range: `bytes=${start}-${end - 1}` }, signal: this.signal });
    if (response.status === 416) return new Uint8Array();
    if (!response.ok) throw new FormatError(`${this.url}: the server answers ${response.status} ${response.statusText}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    this.received += bytes.length;
    if (response.status === 206) return bytes;
    this.whole = bytes; // a server without range requests sends everything
    return bytes.subarray(start, end);
  }
}

const CRC = new Uint32Array(256).map((_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n >>> 0;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = CRC[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Reads a varint; [value, offset behind it]. */
export function varint(bytes: Uint8Array, at: number): [number, number] {
  let value = 0;
  for (let i = 0; i < 5; i++) {
    if (at + i >= bytes.length) throw new FormatError("the file is cut off inside of a number");
    const byte = bytes[at + i];
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) {
      if ((i && !byte) || value >= 2 ** 32) break;
      return [value, at + i + 1];
    }
  }
  throw new FormatError("a number is not in its shortest form or too large: the file is damaged");
}

export interface Header {
  codec: number;
  channels: number;
  width: number;
  height: number;
  /** 0: one tile. */
  tileSize: number;
  /** 16 hexadecimal digits. */
  fingerprint: string;
  parameters: Uint8Array;
}

const MAGIC = [0x8f, 0x43, 0x4c, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const MAX_SIDE = 2 ** 24, MAX_PIXELS = 2 ** 36, MAX_CHUNKS = 256, MAX_METADATA = 2 ** 26;
const [H, I, T] = [72, 73, 84];

function header(payload: Uint8Array): Header {
  if (payload.length < 2) throw new FormatError("the header is too short: the file is damaged");
  const mode = payload[1], channels = mode & 15;
  if (channels < 1 || channels > 4) throw new FormatError(`the file has channels of kind ${channels}, which need a newer version`);
  if (mode >> 4 & 7) throw new FormatError("the file has more than 8 bits a sample, which need a newer version");
  let [width, at] = varint(payload, 2), height: number, tileSize = 0;
  [height, at] = varint(payload, at);
  if (mode & 128) {
    [tileSize, at] = varint(payload, at);
    if (tileSize < 1 || tileSize > MAX_SIDE) throw new FormatError("the tile size is out of range: the file is damaged");
  }
  if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS)
    throw new FormatError(`a picture of ${width}x${height} pixels is out of range: the file is damaged`);
  if (payload.length < at + 8) throw new FormatError("the header is too short: the file is damaged");
  const fingerprint = Array.from(payload.subarray(at, at + 8), (b) => b.toString(16).padStart(2, "0")).join("");
  return { codec: payload[0], channels, width, height, tileSize, fingerprint, parameters: payload.slice(at + 8) };
}

/** A file whose tiles are read when they are asked for. */
export class Container {
  private constructor(
    private readonly source: Source,
    readonly header: Header,
    readonly across: number,
    readonly down: number,
    private readonly starts: Float64Array,
    private readonly lengths: Float64Array,
  ) {}

  static async open(source: Source): Promise<Container> {
    const start = await source.read(0, 9);
    if (start.length < 9 || MAGIC.some((byte, i) => start[i] !== byte)) throw new FormatError("this is not a .clg file");
    if (start[8] !== 1) throw new FormatError(`the file has format version ${start[8]}, which needs a newer decoder`);
    let head: Header | undefined, across = 1, down = 1, lengths: Float64Array | undefined, metadata = 0;
    for (let at = 9, chunks = 0; ; chunks++) {
      const lead = await source.read(at, at + 6);
      if (lead.length < 2) throw new FormatError("the file is cut off");
      const type = lead[0], [length, behind] = varint(lead, 1);
      if (!head && type !== H) throw new FormatError("the file does not begin with a header: it is damaged");
      if (type === T) {
        const count = across * down;
        if (count > 1 && !lengths) throw new FormatError("the tile index is missing: the file is damaged");
        lengths ??= new Float64Array([length]);
        const starts = new Float64Array(count);
        for (let i = 0, next = at; i < count; i++) {
          starts[i] = next;
          let size = 1;
          for (let rest = lengths[i]; rest >= 128; rest = Math.floor(rest / 128)) size++;
          next += 1 + size + lengths[i] + 4;
        }
        return new Container(source, head!, across, down, starts, lengths);
      }
      if (chunks > MAX_CHUNKS) throw new FormatError("too many chunks stand before the first tile: the file is damaged");
      const lower = type >= 97 && type <= 122;
      if (lower && (metadata += length) > MAX_METADATA) throw new FormatError("the metadata are too large");
      const end = at + behind + length + 4;
      // Metadata are of no use here; their checksums are not worth a download.
      if (!lower) {
        if (length > MAX_METADATA) throw new FormatError("a chunk is too large: the file is damaged");
        const chunk = await source.read(at, end), payload = checked(chunk, behind, length);
        if (type === H && !head) {
          head = header(payload);
          const size = head.tileSize || MAX_SIDE;
          [across, down] = [Math.ceil(head.width / size), Math.ceil(head.height / size)];
          if (across * down > MAX_SIDE) throw new FormatError("the file has too many tiles: it is damaged");
        } else if (type === I && !lengths && across * down > 1) {
          lengths = new Float64Array(across * down);
          let offset = 0;
          for (let i = 0; i < lengths.length; i++) [lengths[i], offset] = varint(payload, offset);
          if (offset !== payload.length) throw new FormatError("the tile index has a wrong length: the file is damaged");
        } else throw new FormatError(`the file has a chunk ${String.fromCharCode(type)}, which needs a newer decoder`);
      }
      at = end;
    }
  }

  /** Returns the payload of a tile. */
  async tile(index: number): Promise<Uint8Array> {
    const start = this.starts[index], length = this.lengths[index];
    const end = (index + 1 < this.starts.length ? this.starts[index + 1] : start + 10 + length);
    const chunk = await this.source.read(start, end);
    if (chunk[0] !== T) throw new FormatError(`tile ${index} is damaged or cut off`);
    const [found, behind] = varint(chunk, 1);
    if (found !== length) throw new FormatError(`tile ${index} has another length than the index says: it is damaged`);
    return checked(chunk, behind, length);
  }
}

function checked(chunk: Uint8Array, behind: number, length: number): Uint8Array {
  const end = behind + length;
  if (chunk.length < end + 4) throw new FormatError("the file is cut off");
  const view = new DataView(chunk.buffer, chunk.byteOffset + end, 4);
  if (crc32(chunk.subarray(0, end)) !== view.getUint32(0, true)) throw new FormatError("a checksum is wrong: the file is damaged");
  return chunk.subarray(behind, end);
}
