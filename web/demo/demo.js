/** The demonstration: opens files, shows what they cost, and compares them with other formats through a local server. */
import { bestBuild } from "../dist/index.js";
import { sharedDecoder } from "../dist/element.js";

const $ = (id) => document.getElementById(id);
const view = $("view"), rival = $("rival"), slider = $("slider"), other = $("other");
const number = (value) => value.toLocaleString("en");
let server = false, original, rivalImage, size = 0, name = "", started = 0;

const facts = () => {
  const { picture } = view;
  if (!picture) return;
  const megapixels = (picture.width * picture.height) / 1e6;
  const rows = {
    file: name, pixels: `${number(picture.width)} × ${number(picture.height)}`,
    ...(size && { size: `${number(size)} bytes`, rate: `${((8 * size) / megapixels / 1e6).toFixed(2)} bit/pixel` }),
    ...(view.received && { fetched: `${number(view.received)} bytes` }),
    zoom: `${(100 * view.view.zoom).toFixed(view.view.zoom < 0.1 ? 1 : 0)} %`,
    ...(view.first && { "first pixels": `${view.first.toFixed(0)} ms` }),
  };
  $("facts").replaceChildren(...Object.entries(rows).flatMap(([key, value]) => {
    const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
    [dt.textContent, dd.textContent] = [key, value];
    return [dt, dd];
  }));
  follow();
};

/** Draws the rival where the view is. */
const follow = () => {
  if (!rivalImage || rival.hidden) return;
  const ratio = devicePixelRatio, [w, h] = [view.clientWidth, view.clientHeight], { x, y, zoom } = view.view;
  [other.width, other.height] = [w * ratio, h * ratio];
  [other.style.width, other.style.height] = [`${w}px`, `${h}px`];
  const context = other.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.setTransform(zoom * ratio, 0, 0, zoom * ratio, (w / 2 - x * zoom) * ratio, (h / 2 - y * zoom) * ratio);
  context.drawImage(rivalImage, 0, 0);
  rival.style.width = `${slider.value}%`;
};

const hint = (text) => { $("hint").textContent = text; };

async function open(input, title, bytes) {
  [name, size, started] = [title, bytes ?? 0, performance.now()];
  choose("");
  hint("opening …");
  view.first = 0;
  await view.open(input);
}

async function file(chosen) {
  if (chosen.name.endsWith(".clg")) {
    original = undefined;
    return open(chosen, chosen.name, chosen.size);
  }
  if (!server) return hint("only .clg files can be opened here: start web/serve.py to encode photographs");
  hint("encoding …");
  const answer = await fetch("/encode?bpp=0.5", { method: "POST", body: chosen });
  if (!answer.ok) return hint(await answer.text());
  const data = new Uint8Array(await answer.arrayBuffer());
  original = chosen;
  await open(data, chosen.name, data.length);
}

function choose(kind) {
  document.querySelector(`input[name=rival][value="${kind}"]`).checked = true;
  rival.hidden = slider.hidden = true;
  rivalImage = undefined;
  $("compare").disabled = !(server && original);
}

async function compare(kind) {
  rival.hidden = slider.hidden = !kind;
  if (!kind) return;
  hint("encoding …");
  const answer = await fetch(`/encode?format=${kind}&max_bytes=${size}`, { method: "POST", body: original });
  if (!answer.ok) return hint(await answer.text());
  const blob = await answer.blob();
  rivalImage = await createImageBitmap(blob);
  $("other-name").textContent = `${kind.toUpperCase()}, ${number(blob.size)} bytes`;
  hint("");
  follow();
}

view.addEventListener("view", facts);
view.addEventListener("load", () => { view.first = performance.now() - started; hint(""); facts(); });
view.addEventListener("error", (event) => hint(event.message));
slider.addEventListener("input", follow);
new ResizeObserver(follow).observe(view);
document.querySelectorAll("input[name=rival]").forEach((input) => input.addEventListener("change", () => void compare(input.value)));
$("file").addEventListener("change", (event) => event.target.files[0] && void file(event.target.files[0]));
const zoom = (factor) => view.show(view.view.x, view.view.y, view.view.zoom * factor);
$("in").onclick = () => zoom(2);
$("out").onclick = () => zoom(0.5);
$("fit").onclick = () => view.fit();
$("one").onclick = () => view.show(view.view.x, view.view.y, 1 / devicePixelRatio);
addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
addEventListener("dragleave", () => document.body.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  if (event.dataTransfer.files[0]) void file(event.dataTransfer.files[0]);
});
setInterval(facts, 500);

const decoder = await sharedDecoder("../models/");
$("workers").textContent = `${decoder.pool.size} workers`;
$("build").textContent = bestBuild() === "relaxed" ? "relaxed-SIMD" : "SIMD128";
server = await fetch("/encode", { method: "OPTIONS" }).then((answer) => answer.status === 204, () => false);
$("can-encode").hidden = !server;
$("compare-note").hidden = server;
const listed = await fetch("samples.json").then((answer) => (answer.ok ? answer.json() : []), () => []);
$("samples").replaceChildren(...listed.map((sample) => {
  const link = document.createElement("button");
  link.textContent = sample.title;
  link.onclick = () => { original = undefined; void open(new URL(sample.file, location.href), sample.title, sample.bytes); };
  return link;
}));
const asked = new URLSearchParams(location.search).get("src");
if (asked) await open(new URL(asked, location.href), asked.split("/").pop());
globalThis.demo = { view, open, file, compare };
