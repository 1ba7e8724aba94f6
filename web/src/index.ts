/**
 * Decodes .clg pictures.
 *
 *     import { Decoder } from "@collagecodec/decoder";
 *     const decoder = await Decoder.create({ models: "/models/" });
 *     const picture = await decoder.open("/map.clg");          // or bytes, a Blob, a Source
 *     const { width, height, channels, data } = await picture.decode({ region: [0, 0, 512, 512] });
 *     const bitmap = await picture.bitmap({ size: [256, 256] });
 */
import { BytesSource, Container, Source, UrlSource } from "./container.js";
import { FormatError } from "./errors.js";
import { Build, Inline, Pool, Pooled, bestBuild } from "./executors.js";
import { Models, modelFile } from "./model_files.js";
import { Decoded, Executor, Options, Picture as Renderer } from "./picture.js";

export { BytesSource, UrlSource, Pool, bestBuild };
export { FormatError, ModelError } from "./errors.js";
export type { Build, Decoded, Models, Options, Source };

export interface Settings {
  /** Where models are: a folder's address, or a function from fingerprint to file. */
  models: Models;
  /** Number of workers; 0 computes in this thread. By default one for every processor where there are workers. */
  workers?: number;
  /** Which build of the kernels; by default the best one for this engine. */
  build?: Build;
  /** The compiled kernels, where they are not beside this file. */
  kernels?: WebAssembly.Module;
}

export type Input = Uint8Array | ArrayBuffer | Blob | string | URL | Source;

const CODEC = 1;

/** Kernels, workers and models, for any number of pictures. */
export class Decoder {
  private readonly executors = new Map<string, Promise<Executor>>();

  private constructor(private readonly models: Models, readonly module: WebAssembly.Module, readonly pool: Pool | undefined) {}

  static async create(settings: Settings): Promise<Decoder> {
    const name = `./kernels-${settings.build ?? bestBuild()}.wasm`;
    const module = settings.kernels ?? (await compiled(new URL(name, import.meta.url)));
    const workers = settings.workers ?? (typeof Worker === "undefined" ? 0 : undefined);
    return new Decoder(settings.models, module, workers === 0 ? undefined : new Pool(module, workers));
  }

  /** Opens a picture: bytes, a Blob, an address that is read by range requests, or any `Source`. */
  async open(input: Input): Promise<Picture> {
    const container = await Container.open(await sourceOf(input)), { codec, fingerprint } = container.header;
    if (codec !== CODEC) throw new FormatError(`this decoder knows the codec collage only, not number ${codec}`);
    let executor = this.executors.get(fingerprint);
    if (!executor) {
      executor = this.executor(fingerprint);
      executor.catch(() => this.executors.delete(fingerprint));
      this.executors.set(fingerprint, executor);
    }
    return new Picture(container, await executor);
  }

  /** Decodes a picture in one step. */
  async decode(input: Input, options: Options = {}): Promise<Decoded> {
    return (await this.open(input)).decode(options);
  }

  private async executor(fingerprint: string): Promise<Executor> {
    const file = await modelFile(this.models, fingerprint), own = await Inline.of(this.module, file);
    return this.pool ? new Pooled(this.pool, own, fingerprint, file) : own;
  }

  /** Ends the workers. */
  close(): void {
    this.pool?.close();
  }
}

/** An opened picture. Tiles that were decoded are kept for the next request as far as they may be needed. */
export class Picture {
  private readonly renderer: Renderer;

  constructor(container: Container, executor: Executor) {
    this.renderer = new Renderer(container, executor);
  }

  get width(): number {
    return this.renderer.container.header.width;
  }

  get height(): number {
    return this.renderer.container.header.height;
  }

  /** Side of the file's tiles in pixels; 0 if it has one. */
  get tileSize(): number {
    return this.renderer.container.header.tileSize;
  }

  get channels(): number {
    return this.renderer.container.header.channels;
  }

  /** Returns the bytes of a region at a scale or size. */
  decode(options: Options = {}): Promise<Decoded> {
    return this.renderer.decode(options);
  }

  /** Returns a region as an ImageData for a canvas. */
  async imageData(options: Options = {}): Promise<ImageData> {
    return imageData(await this.decode(options));
  }

  /** Returns a region as an ImageBitmap. */
  async bitmap(options: Options = {}): Promise<ImageBitmap> {
    return createImageBitmap(await this.imageData(options));
  }
}

/** Turns decoded bytes into RGBA. */
export function imageData({ width, height, channels, data }: Decoded): ImageData {
  const rgba = new Uint8ClampedArray(4 * width * height);
  if (channels === 4) rgba.set(data);
  else
    for (let i = 0, o = 0, from = 0; i < width * height; i++, o += 4, from += channels) {
      rgba[o] = data[from];
      rgba[o + 1] = data[channels > 2 ? from + 1 : from];
      rgba[o + 2] = data[channels > 2 ? from + 2 : from];
      rgba[o + 3] = channels === 2 ? data[from + 1] : 255;
    }
  return new ImageData(rgba, width, height);
}

async function compiled(url: URL): Promise<WebAssembly.Module> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the kernels ${url} cannot be fetched: ${response.status} ${response.statusText}`);
  return WebAssembly.compile(await response.arrayBuffer());
}

async function sourceOf(input: Input): Promise<Source> {
  if (input instanceof Uint8Array) return new BytesSource(input);
  if (input instanceof ArrayBuffer) return new BytesSource(new Uint8Array(input));
  if (input instanceof Blob) return new BytesSource(new Uint8Array(await input.arrayBuffer()));
  if (typeof input === "string" || input instanceof URL) return new UrlSource(String(input));
  return input;
}
