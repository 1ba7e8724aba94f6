/** Who computes: this thread, or a pool of workers. */
import { Band, Engine, Planes } from "./engine.js";
import { Kernels, hasRelaxed } from "./kernels.js";
import { Model } from "./model.js";
import type { Executor, Facts } from "./picture.js";
import type { TileShape } from "./prior.js";
import { Axis } from "./resample.js";

export type Build = "relaxed" | "simd128";

/** The build of the kernels that suits this engine. */
export function bestBuild(): Build {
  return hasRelaxed() ? "relaxed" : "simd128";
}

export function factsOf(engine: Engine): Facts {
  const margins = (grey: boolean) => [0, 1, 2].map((d) => engine.finishingMargin(d, grey));
  const { cell, channelCount, slices, enlargement } = engine.model;
  return { cell, channelCount, slices: slices.length, enlarges: enlargement.length > 0, margins: [margins(false), margins(true)] };
}

export class Inline implements Executor {
  readonly width = 1;
  readonly facts: Facts;

  constructor(private readonly engine: Engine) {
    this.facts = factsOf(engine);
  }

  static async of(module: WebAssembly.Module, model: Uint8Array): Promise<Inline> {
    const kernels = await Kernels.of(module);
    return new Inline(new Engine(kernels, new Model(kernels, model)));
  }

  async tile(coded: Uint8Array, shape: TileShape, step: number): Promise<Int32Array> {
    return this.engine.tile(coded, shape, step);
  }

  async planes(band: Band): Promise<Planes> {
    return this.engine.planes(band);
  }

  async pixels(band: Band, step: 1 | 3 | 4): Promise<{ data: Uint8Array; width: number; height: number }> {
    const planes = this.engine.planes(band);
    return { data: this.engine.pixels(planes, step), width: planes.width, height: planes.height };
  }

  resampled(planes: Planes, horizontal: Axis, vertical: Axis): Planes {
    return this.engine.resampled(planes, horizontal, vertical);
  }

  finished(planes: Planes, step: 1 | 3 | 4): Uint8Array {
    return this.engine.pixels(planes, step);
  }
}

interface Call { resolve: (value: any) => void; reject: (error: Error) => void; slot: Slot }
interface Slot { worker: Worker; busy: number; ready: Map<string, Promise<void>> }

/** A pool of workers, which several pictures and models may share. */
export class Pool {
  private readonly slots: Slot[];
  private readonly calls = new Map<number, Call>();
  private next = 0;

  /** Starts `count` workers, by default one for every processor, at most 8. */
  constructor(readonly module: WebAssembly.Module, count = Math.min(navigator.hardwareConcurrency || 2, 8)) {
    this.slots = Array.from({ length: count }, () => {
      const slot: Slot = { worker: new Worker(new URL("./worker.js", import.meta.url), { type: "module" }), busy: 0, ready: new Map() };
      slot.worker.onmessage = ({ data }) => {
        const call = this.calls.get(data.id);
        if (!call) return;
        this.calls.delete(data.id);
        call.slot.busy--;
        if (data.error) call.reject(Object.assign(new Error(data.error.message), { name: data.error.name }));
        else call.resolve(data.result);
      };
      slot.worker.onerror = (event) => {
        for (const [id, call] of this.calls)
          if (call.slot === slot) { this.calls.delete(id); call.reject(new Error(event.message || "a worker failed")); }
      };
      return slot;
    });
  }

  get size(): number {
    return this.slots.length;
  }

  close(): void {
    for (const slot of this.slots) slot.worker.terminate();
    for (const call of this.calls.values()) call.reject(new Error("the pool is closed"));
    this.calls.clear();
  }

  private send<T>(slot: Slot, message: object, transfer: Transferable[] = []): Promise<T> {
    const id = this.next++;
    slot.busy++;
    return new Promise<T>((resolve, reject) => {
      this.calls.set(id, { resolve, reject, slot });
      slot.worker.postMessage({ id, ...message }, transfer);
    });
  }

  /** Runs a task on the worker with the least to do, which gets the model first. */
  async run<T>(fingerprint: string, model: Uint8Array, message: object, transfer: Transferable[] = []): Promise<T> {
    const slot = this.slots.reduce((best, other) => (other.busy < best.busy ? other : best));
    let ready = slot.ready.get(fingerprint);
    if (!ready) {
      ready = this.send<void>(slot, { kind: "model", fingerprint, model, module: this.module });
      slot.ready.set(fingerprint, ready);
    }
    const sent = this.send<T>(slot, { fingerprint, ...message }, transfer);
    await ready;
    return sent;
  }
}

/** A pool at work with one model; what is small is done in this thread. */
export class Pooled implements Executor {
  constructor(private readonly pool: Pool, private readonly own: Inline, private readonly fingerprint: string, private readonly model: Uint8Array) {}

  get facts(): Facts {
    return this.own.facts;
  }

  get width(): number {
    return this.pool.size;
  }

  tile(coded: Uint8Array, shape: TileShape, step: number): Promise<Int32Array> {
    return this.pool.run(this.fingerprint, this.model, { kind: "tile", coded, shape, step });
  }

  planes(band: Band): Promise<Planes> {
    return this.pool.run(this.fingerprint, this.model, { kind: "planes", band }, [band.codes.buffer]);
  }

  pixels(band: Band, step: 1 | 3 | 4): Promise<{ data: Uint8Array; width: number; height: number }> {
    return this.pool.run(this.fingerprint, this.model, { kind: "pixels", band, step }, [band.codes.buffer]);
  }

  resampled(planes: Planes, horizontal: Axis, vertical: Axis): Planes {
    return this.own.resampled(planes, horizontal, vertical);
  }

  finished(planes: Planes, step: 1 | 3 | 4): Uint8Array {
    return this.own.finished(planes, step);
  }
}
