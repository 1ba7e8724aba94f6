/** A model's decoder file (FORMAT.md 5.2), with its layers packed in the memory of the kernels. */
import { ModelError } from "./errors.js";
import { Kernels } from "./kernels.js";

type Tensor = { shape: number[]; values: Int8Array | Uint8Array | Int16Array | Int32Array };

export interface Layer { handle: number; inputs: number; outputs: number }
export interface Network { near: Layer; mix: Layer; out: Layer }
export interface Slice { first: number; last: number; before?: Layer; own: Layer; networks: Network[] }
export interface Plane { channels: Int32Array; atoms: Int16Array }

function tensors(file: Uint8Array): Map<string, Tensor> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const length = Number(view.getBigUint64(0, true));
  const head = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
  const kinds = { I8: Int8Array, U8: Uint8Array, I16: Int16Array, I32: Int32Array } as const;
  const found = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries<any>(head)) {
    if (name === "__metadata__") continue;
    const kind = kinds[entry.dtype as keyof typeof kinds];
    if (!kind) throw new ModelError(`the model has an array of kind ${entry.dtype}, which needs a newer decoder`);
    const [start, end] = entry.data_offsets;
    const bytes = file.slice(8 + length + start, 8 + length + end);
    found.set(name, { shape: entry.shape, values: new kind(bytes.buffer) });
  }
  return found;
}

export class Model {
  readonly cell: number;
  readonly channelCount: number;
  readonly planes: Plane[] = [];
  readonly luma: Uint8Array;
  readonly gains: Int32Array;
  readonly slices: Slice[] = [];
  readonly magnitudes: Uint8Array;
  readonly left: Int16Array;
  readonly diagonal: Int16Array;
  readonly direct: Int16Array;
  readonly tables: number;
  readonly tableCount: number;
  readonly restoration: Layer[];
  readonly enlargement: Layer[];
  readonly restoresGrey: boolean;
  private readonly all: Map<string, Tensor>;

  constructor(private readonly kernels: Kernels, file: Uint8Array) {
    this.all = tensors(file);
    if (this.all.has("slices.finest"))
      throw new ModelError("the model has a hierarchical prior, which this decoder does not know: decode the file with Python");
    for (let p = 0; p < 3; p++)
      this.planes.push({ channels: this.ints(`channels.${p}`), atoms: this.values(`atoms.${p}`) as Int16Array });
    this.cell = Math.round(Math.sqrt(this.tensor("atoms.0").shape[1] / 4));
    this.channelCount = this.planes.reduce((sum, plane) => sum + plane.channels.length, 0);
    this.luma = new Uint8Array(this.channelCount);
    for (const channel of this.planes[0].channels) this.luma[channel] = 1;
    this.gains = this.ints("gains");
    this.magnitudes = this.values("magnitudes") as Uint8Array;
    this.left = this.values("predict.left") as Int16Array;
    this.diagonal = this.values("predict.diagonal") as Int16Array;
    this.direct = this.values("predict.direct") as Int16Array;
    const bounds = this.ints("slices");
    for (let i = 0; i + 1 < bounds.length; i++) {
      const networks = [];
      for (let k = 0; this.all.has(`prior.${i}.${k}.near.weight`); k++)
        networks.push({
          near: this.layer(`prior.${i}.${k}.near`, 3), mix: this.layer(`prior.${i}.${k}.mix`), out: this.layer(`prior.${i}.${k}.out`),
        });
      if (networks.length !== (i ? 2 : 3)) throw new ModelError("the model's prior needs a newer decoder");
      const before = i ? this.layer(`prior.${i}.before`) : undefined;
      this.slices.push({ first: bounds[i], last: bounds[i + 1], before, own: this.layer(`prior.${i}.own`), networks });
    }
    this.restoration = this.stack("restoration");
    this.enlargement = this.stack("enlargement");
    this.restoresGrey = this.all.has("restores_grey");
    const sizes = this.ints("tables.sizes").slice();
    const counts = BigInt64Array.from(this.ints("tables.counts").subarray(sizes[0]), BigInt);
    sizes[0] = 0; // table 0 has no counts
    this.tableCount = sizes.length;
    const [c, s] = [kernels.put(counts), kernels.put(sizes)];
    this.tables = kernels.call("tables_new", c, s, sizes.length);
    kernels.free(c);
    kernels.free(s);
    if (!this.tables) throw new ModelError("the model's probability tables are damaged");
  }

  private tensor(name: string): Tensor {
    const found = this.all.get(name);
    if (!found) throw new ModelError(`the model has no array ${name}: it needs another decoder`);
    return found;
  }

  private values(name: string): Tensor["values"] {
    return this.tensor(name).values;
  }

  private ints(name: string): Int32Array {
    return this.values(name) as Int32Array;
  }

  private stack(name: string): Layer[] {
    const layers: Layer[] = [];
    while (this.all.has(`${name}.${layers.length}.weight`))
      layers.push(this.layer(`${name}.${layers.length}`, 3, layers.length === 0));
    return layers;
  }

  /** Packs a layer; with `levels` its inputs are pixel levels, of which the kernels take 0 .. 255. */
  private layer(name: string, taps = 1, levels = false): Layer {
    const weight = this.tensor(`${name}.weight`), [inputs, outputs] = weight.shape;
    const bias = this.ints(`${name}.bias`).slice();
    if (levels)
      for (let i = 0; i < inputs * outputs; i++) bias[i % outputs] -= 128 * weight.values[i];
    const k = this.kernels, parts = [k.put(weight.values as Int8Array), k.put(bias), k.put(this.ints(`${name}.slope`))];
    const shift = this.ints(`${name}.shift`)[0], channels = inputs / (taps * taps);
    const handle = k.call("layer_new", parts[0], taps, taps, channels, outputs, parts[1], parts[2], shift, levels ? 1 : 0);
    for (const part of parts) k.free(part);
    if (!handle) throw new ModelError(`the layer ${name} of the model cannot be used`);
    return { handle, inputs: channels, outputs };
  }
}
