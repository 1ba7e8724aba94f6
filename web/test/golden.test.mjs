/** Golden files of the codec collage decode to the pixels that they always had, with every build of the kernels. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";
import { Decoder, bestBuild } from "../dist/index.js";

const root = new URL("../../", import.meta.url), golden = new URL("tests/golden/", root);
const index = JSON.parse(await readFile(new URL("index.json", golden)));
const scales = { native: 1, half: 0.5, double: 2 };

export async function models(fingerprint) {
  for (const folder of await readdir(new URL("models/", root), { withFileTypes: true }))
    if (folder.isDirectory()) {
      const file = new URL(`models/${folder.name}/decoder-${fingerprint}.safetensors`, root);
      const bytes = await readFile(file).catch(() => undefined);
      if (bytes) return new Uint8Array(bytes);
    }
  throw new Error(`there is no model ${fingerprint}`);
}

for (const build of new Set(["simd128", bestBuild()])) {
  const kernels = await WebAssembly.compile(await readFile(new URL(`../dist/kernels-${build}.wasm`, import.meta.url)));
  const decoder = await Decoder.create({ models, kernels, workers: 0 });
  for (const [name, hashes] of Object.entries(index)) {
    const bytes = new Uint8Array(await readFile(new URL(name, golden)));
    test(`${build} ${name}`, async () => {
      if (/next/.test(name)) return assert.rejects(decoder.open(bytes), /hierarchical prior/);
      if (!/collage|tiled/.test(name)) return assert.rejects(decoder.open(bytes), /knows the codec collage only/);
      const picture = await decoder.open(bytes);
      for (const [scale, value] of Object.entries(scales)) {
        const { data, width, height, channels } = await picture.decode({ scale: value });
        assert.equal(data.length, width * height * channels);
        assert.equal(createHash("sha256").update(data).digest("hex"), hashes[scale], scale);
      }
    });
  }
}

const hostile = JSON.parse(await readFile(new URL("hostile/index.json", golden)));
const decoder = await Decoder.create({
  models, kernels: await WebAssembly.compile(await readFile(new URL("../dist/kernels-simd128.wasm", import.meta.url))), workers: 0,
});
for (const [name, expected] of Object.entries(hostile))
  test(`hostile ${name}`, async () => {
    const bytes = new Uint8Array(await readFile(new URL(`hostile/${name}`, golden)));
    if (!name.includes("collage") && !name.includes("tiled")) return assert.rejects(decoder.open(bytes), { name: "FormatError" });
    const decode = async () => {
      const picture = await decoder.open(bytes), hash = createHash("sha256");
      for (const scale of [1, 2]) hash.update((await picture.decode({ scale })).data);
      return hash.digest("hex");
    };
    if (expected.length < 64) await assert.rejects(decode(), { name: "FormatError" });
    else assert.equal(await decode(), expected);
  });

test("cut off and damaged files are refused", async () => {
  const bytes = new Uint8Array(await readFile(new URL("v1-collage-3.clg", golden)));
  for (const length of [0, 5, 9, 20, 60, bytes.length - 1])
    await assert.rejects(async () => (await decoder.open(bytes.subarray(0, length))).decode(), { name: "FormatError" });
  for (let at = 0; at < bytes.length; at += 97) {
    const damaged = bytes.slice();
    damaged[at] ^= 0x41;
    await assert.rejects(async () => (await decoder.open(damaged)).decode(), (error) => ["FormatError", "ModelError", "Error"].includes(error.name));
  }
});
