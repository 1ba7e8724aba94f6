/** The C kernels as WebAssembly, and the memory that they work in. */

type Call = (...args: (number | bigint)[]) => number;

/** A module whose function `f` multiplies bytes of -1 by bytes of 127 and adds four products. */
const RELAXED_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 23, 1, 21, 0, 65, 127, 253, 15, 65,
  255, 0, 253, 15, 65, 0, 253, 17, 253, 147, 2, 253, 27, 0, 11,
]);

/** Whether this engine has relaxed SIMD, and multiplies as the specification says: early engines did not. */
export function hasRelaxed(): boolean {
  if (!WebAssembly.validate(RELAXED_PROBE)) return false;
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(RELAXED_PROBE)).exports;
  return (f as () => number)() === -508;
}

export class Kernels {
  readonly memory: WebAssembly.Memory;
  private readonly exports: Record<string, Call>;

  private constructor(instance: WebAssembly.Instance) {
    this.exports = instance.exports as unknown as Record<string, Call>;
    this.memory = instance.exports.memory as WebAssembly.Memory;
    this.call("use", -1);
  }

  static async of(module: WebAssembly.Module): Promise<Kernels> {
    return new Kernels(await WebAssembly.instantiate(module, {}));
  }

  /** Calls the function `collage_name`. */
  call(name: string, ...args: (number | bigint)[]): number {
    return this.exports[`collage_${name}`](...args);
  }

  allocate(size: number): number {
    const at = this.exports.malloc(size + 16) >>> 0;
    if (!at) throw new RangeError(`there is no memory for ${size} bytes`);
    return at;
  }

  free(at: number): void {
    this.exports.free(at);
  }

  u8(at: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, at, length);
  }

  i16(at: number, length: number): Int16Array {
    return new Int16Array(this.memory.buffer, at, length);
  }

  i32(at: number, length: number): Int32Array {
    return new Int32Array(this.memory.buffer, at, length);
  }

  /** Copies an array into memory of the kernels. */
  put(values: Uint8Array | Int8Array | Int16Array | Int32Array | BigInt64Array): number {
    const at = this.allocate(values.byteLength);
    this.u8(at, values.byteLength).set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return at;
  }
}

/** Memory that is freed together. */
export class Arena {
  private readonly blocks: number[] = [];
  constructor(readonly kernels: Kernels) {}

  allocate(size: number): number {
    const at = this.kernels.allocate(size);
    this.blocks.push(at);
    return at;
  }

  /** Allocates memory filled with zeros. */
  zeros(size: number): number {
    const at = this.allocate(size);
    this.kernels.u8(at, size).fill(0);
    return at;
  }

  put(values: Uint8Array | Int16Array | Int32Array): number {
    const at = this.kernels.put(values);
    this.blocks.push(at);
    return at;
  }

  free(): void {
    for (const at of this.blocks.splice(0)) this.kernels.free(at);
  }
}
