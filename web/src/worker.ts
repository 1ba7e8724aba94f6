/** A worker of the pool: computes tiles and bands. */
import { Inline } from "./executors.js";

const models = new Map<string, Promise<Inline>>();
const scope = globalThis as unknown as { onmessage: (event: MessageEvent) => void; postMessage(message: object, transfer: Transferable[]): void };

async function answer(message: any): Promise<unknown> {
  if (message.kind === "model") {
    const inline = Inline.of(message.module, message.model);
    models.set(message.fingerprint, inline);
    await inline;
    return undefined;
  }
  const inline = await models.get(message.fingerprint)!;
  if (message.kind === "tile") return inline.tile(message.coded, message.shape, message.step);
  if (message.kind === "planes") return inline.planes(message.band);
  return inline.pixels(message.band, message.step);
}

scope.onmessage = async ({ data }) => {
  try {
    const result: any = await answer(data);
    const buffer = (result?.data ?? result?.samples ?? result)?.buffer;
    scope.postMessage({ id: data.id, result }, buffer ? [buffer] : []);
  } catch (error) {
    const { name, message } = error as Error;
    scope.postMessage({ id: data.id, error: { name, message } }, []);
  }
};
