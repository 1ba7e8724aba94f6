/** Model files: fetched once, kept in the browser's cache, checked by their fingerprint. */
import { ModelError } from "./errors.js";

/** Where models are: the address of a folder with files decoder-FINGERPRINT.safetensors, or a function. */
export type Models = string | URL | ((fingerprint: string) => Promise<Uint8Array>);

const CACHE = "collagecodec-models-1";

async function fetched(url: string): Promise<Uint8Array> {
  const cache = globalThis.caches ? await caches.open(CACHE).catch(() => undefined) : undefined;
  const kept = await cache?.match(url);
  if (kept) return new Uint8Array(await kept.arrayBuffer());
  const response = await fetch(url);
  if (!response.ok) throw new ModelError(`the model ${url} cannot be fetched: ${response.status} ${response.statusText}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  await cache?.put(url, new Response(bytes.slice().buffer)).catch(() => undefined);
  return bytes;
}

/** Returns the file of a model's decoder; the fingerprint is that of the file's SHA-256. */
export async function modelFile(models: Models, fingerprint: string): Promise<Uint8Array> {
  const url = (base: string | URL) => {
    const folder = String(base);
    return `${folder}${folder.endsWith("/") ? "" : "/"}decoder-${fingerprint}.safetensors`;
  };
  const file = typeof models === "function" ? await models(fingerprint) : await fetched(url(models));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", file.slice().buffer));
  const found = Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== fingerprint) {
    if (typeof models !== "function" && globalThis.caches) await (await caches.open(CACHE)).delete(url(models));
    throw new ModelError(`the model file for ${fingerprint} is another one (${found})`);
  }
  return file;
}
