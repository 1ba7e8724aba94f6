// A blind comparison of two codecs: pairs in random order on random sides, choices, and the preference.

const DATA = JSON.parse(document.getElementById("data").textContent);
const Z = 1.959963984540054;
const STORE = `blind ${DATA.id}`;

function shuffled(items) {
  const left = [...items];
  const taken = [];
  while (left.length) taken.push(...left.splice(Math.floor(Math.random() * left.length), 1));
  return taken;
}

// `order`: which pair is shown when, and which codec stands on the left. `choices`: first, second or same, in that order.
function begun() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORE));
    if (kept && kept.order.length === DATA.pairs.length) return kept;
  } catch { /* Some browsers keep nothing for files from disk. */ }
  return { order: shuffled(DATA.pairs.keys()).map((pair) => ({ pair, left: Math.random() < 0.5 ? 0 : 1 })), choices: [] };
}

const session = begun();
const view = { zoom: 1, x: 0, y: 0, flip: false, front: 0, original: false };

function keep() {
  try { localStorage.setItem(STORE, JSON.stringify(session)); } catch { /* see above */ }
}

// Wilson's 95 % interval of a share, as in eval/harness/preference.py.
function preference(choices) {
  const count = choices.length;
  const share = choices.reduce((sum, choice) => sum + (choice === "first" ? 1 : choice === "same" ? 0.5 : 0), 0) / count;
  const middle = (share + Z * Z / (2 * count)) / (1 + Z * Z / count);
  const half = Z / (1 + Z * Z / count) * Math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count));
  return { count, share, low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

function records() {
  return session.choices.map((choice, number) => {
    const { pair, left } = session.order[number];
    const { picture, rate, window, bpp } = DATA.pairs[pair];
    return { picture, rate, window, bpp, left: DATA.codecs[left], choice };
  });
}

const panes = [0, 1].map(() => {
  const image = element("img", { alt: "" });
  const label = element("div", { class: "label" });
  return { image, label, box: element("div", { class: "pane" }, image, label) };
});

function show() {
  const at = session.choices.length;
  document.getElementById("trial").hidden = at >= session.order.length;
  document.getElementById("result").hidden = at < session.order.length;
  if (at >= session.order.length) return finish();
  const { pair, left } = session.order[at];
  const { coded, original } = DATA.pairs[pair];
  panes.forEach((pane, side) => {
    const source = view.original ? original : coded[side === 0 ? left : 1 - left];
    if (pane.image.src !== source) pane.image.src = source;
    pane.image.style.transform = `translate(-50%, -50%) translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
    pane.label.textContent = view.original ? "original" : side ? "right" : "left";
    pane.box.classList.toggle("front", side === view.front);
  });
  document.getElementById("panes").classList.toggle("flip", view.flip);
  document.getElementById("progress").textContent = `${at + 1} of ${session.order.length}`;
  document.body.dataset.at = at;
}

function choose(side) {
  const { left } = session.order[session.choices.length];
  session.choices.push(side === null ? "same" : (side === 0 ? left : 1 - left) === 0 ? "first" : "second");
  Object.assign(view, { x: 0, y: 0, front: 0, original: false });
  keep();
  show();
}

function back() {
  session.choices.pop();
  keep();
  show();
}

function zoomTo(factor) {
  const zoom = Math.min(8, Math.max(0.5, factor));
  view.x *= zoom / view.zoom;
  view.y *= zoom / view.zoom;
  view.zoom = zoom;
  show();
}

function finish() {
  const [first, second] = DATA.codecs;
  const percent = (value) => `${(100 * value).toFixed(1)} %`;
  const all = records();
  const groups = [["all", all], ...[...new Set(all.map((one) => one.rate))].sort((a, b) => a - b)
    .map((rate) => [`${rate} bpp`, all.filter((one) => one.rate === rate)])];
  const rows = groups.map(([name, some]) => {
    const found = preference(some.map((one) => one.choice));
    const counts = ["first", "second", "same"].map((choice) => some.filter((one) => one.choice === choice).length);
    return [name, ...counts, percent(found.share), `${percent(found.low)} to ${percent(found.high)}`];
  });
  const total = preference(session.choices);
  document.getElementById("headline").textContent =
    `${first} was preferred to ${second} in ${percent(total.share)} of ${total.count} choices (${percent(total.low)} to ${percent(total.high)}).`;
  const heads = ["", first, second, "no difference", `preferred ${first}`, "95 % interval"];
  document.getElementById("table").replaceChildren(element("table", {},
    element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", {}, text)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, String(cell))))))));
  const text = JSON.stringify({ id: DATA.id, codecs: DATA.codecs, choices: all }, null, 1);
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: `blind-${DATA.id}.json` },
    "Save the choices");
  const again = element("button", { type: "button", onclick: () => { localStorage.removeItem(STORE); location.reload(); } }, "Start again");
  document.getElementById("save").replaceChildren(link, again, element("button", { type: "button", onclick: back }, "Last choice back"));
  document.body.dataset.result = text;
}

function flip() {
  view.flip = true;
  view.front = 1 - view.front;
  show();
}

function watch() {
  const keys = {
    ArrowLeft: () => choose(0), ArrowRight: () => choose(1), ArrowDown: () => choose(null), Backspace: back, f: flip,
    "+": () => zoomTo(view.zoom * 2), "-": () => zoomTo(view.zoom / 2), o: () => { view.original = true; show(); },
  };
  document.addEventListener("keydown", (event) => {
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    const done = session.choices.length >= session.order.length;
    if (!act || event.ctrlKey || event.metaKey || (done && act !== back)) return;
    event.preventDefault();
    act();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key.toLowerCase() !== "o") return;
    view.original = false;
    show();
  });
  const box = document.getElementById("panes");
  let grip = null;
  box.addEventListener("pointerdown", (event) => {
    grip = { x: event.clientX - view.x, y: event.clientY - view.y };
    box.setPointerCapture(event.pointerId);
  });
  box.addEventListener("pointermove", (event) => {
    if (!grip) return;
    Object.assign(view, { x: event.clientX - grip.x, y: event.clientY - grip.y });
    show();
  });
  box.addEventListener("pointerup", () => { grip = null; });
  box.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomTo(view.zoom * (event.deltaY < 0 ? 1.25 : 0.8));
  }, { passive: false });
}

document.getElementById("panes").append(...panes.map((pane) => pane.box));
document.getElementById("controls").append(
  element("span", { id: "progress" }),
  choice([["side", "Side by side"], ["flip", "Flip"]], "side", (mode) => { view.flip = mode === "flip"; show(); }),
  element("button", { type: "button", onclick: flip }, "Flip now"),
  element("button", { type: "button", onclick: () => { view.original = !view.original; show(); } }, "Original"),
  element("span", { class: "switch" },
    element("button", { type: "button", "aria-label": "zoom out", onclick: () => zoomTo(view.zoom / 2) }, "−"),
    element("button", { type: "button", "aria-label": "zoom in", onclick: () => zoomTo(view.zoom * 2) }, "+")),
);
document.getElementById("verdict").append(
  element("button", { type: "button", onclick: () => choose(0) }, "Left is better"),
  element("button", { type: "button", onclick: () => choose(null) }, "No difference"),
  element("button", { type: "button", onclick: () => choose(1) }, "Right is better"),
);
watch();
show();
document.body.dataset.ready = "yes";
