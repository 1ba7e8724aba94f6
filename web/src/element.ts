/**
 * `<collage-image src="map.clg" models="/models/">`: a picture that can be panned and zoomed, beyond its own resolution too.
 *
 * Attributes: `src`, `models`, `static` (no panning). Properties: `view`, `picture`, `received`. Events: `load`, `error`, `view`.
 * Only what is visible is fetched and decoded: first small, then at the resolution of the screen.
 */
import { Decoder, Input, Picture, UrlSource } from "./index.js";

const TILE = 256, KEPT = 1024, LARGEST_ZOOM = 8, LOADS = 6;

interface Drawn { bitmap?: ImageBitmap; level: number; side: number; x: number; y: number; used: number; abort: AbortController }
interface Wanted { name: string; level: number; side: number; x: number; y: number; far: number }

const decoders = new Map<string, Promise<Decoder>>();

/** The decoder that all elements with the same models share. */
export function sharedDecoder(models: string): Promise<Decoder> {
  let decoder = decoders.get(models);
  if (!decoder) decoders.set(models, (decoder = Decoder.create({ models })));
  return decoder;
}

export class CollageImage extends HTMLElement {
  static observedAttributes = ["src", "models"];
  picture: Picture | undefined;
  /** Stored pixel at the middle of the element, and screen pixels for each stored pixel. */
  view = { x: 0, y: 0, zoom: 1 };
  private readonly canvas = document.createElement("canvas");
  private readonly tiles = new Map<string, Drawn>();
  private overview: ImageBitmap | undefined;
  private source: UrlSource | undefined;
  private opened = 0;
  private unseen = false;
  private clock = 0;
  private scheduled = false;
  private waiting = 0;
  private queue: Wanted[] = [];

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" }), style = document.createElement("style");
    style.textContent = ":host{display:block;overflow:hidden;position:relative;min-height:64px}" +
      "canvas{width:100%;height:100%;display:block;touch-action:none;cursor:grab}canvas:active{cursor:grabbing}";
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    root.append(style, this.canvas);
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.canvas.setPointerCapture(event.pointerId));
    this.canvas.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) this.move(-event.movementX / this.view.zoom, -event.movementY / this.view.zoom);
    });
    this.canvas.addEventListener("dblclick", (event) => this.zoomAt(2, event.offsetX, event.offsetY));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
  }

  connectedCallback(): void {
    new ResizeObserver(() => this.schedule()).observe(this);
  }

  attributeChangedCallback(): void {
    const src = this.getAttribute("src");
    if (src) void this.open(new URL(src, document.baseURI));
  }

  /** Bytes that have come over the network for this picture. */
  get received(): number {
    return this.source?.received ?? 0;
  }

  /** Whether everything visible is drawn. */
  get complete(): boolean {
    return !!this.picture && !this.waiting && !this.scheduled && !this.queue.length;
  }

  /** Shows a picture; an address is read by range requests. */
  async open(input: Input): Promise<void> {
    const turn = ++this.opened;
    try {
      const decoder = await sharedDecoder(this.getAttribute("models") ?? "models/");
      const address = typeof input === "string" || input instanceof URL;
      const source = address ? new UrlSource(String(input)) : undefined;
      const picture = await decoder.open(source ?? input);
      if (turn !== this.opened) return;
      this.reset();
      [this.picture, this.source] = [picture, source];
      this.canvas.setAttribute("aria-label", this.getAttribute("alt") ?? `picture of ${picture.width} by ${picture.height} pixels`);
      this.fit();
      const side = Math.max(picture.width, picture.height);
      if (side <= 4096) {
        const overview = await picture.bitmap({ scale: Math.min(1, 512 / side), fast: true });
        if (turn !== this.opened) return;
        this.overview = overview;
        this.schedule();
        this.dispatchEvent(new Event("load"));
      } else this.unseen = true; // tile by tile; the first one counts as loaded
    } catch (error) {
      if (turn === this.opened) this.dispatchEvent(new ErrorEvent("error", { error, message: (error as Error).message }));
    }
  }

  private reset(): void {
    for (const tile of this.tiles.values()) tile.abort.abort();
    this.tiles.clear();
    this.queue = [];
    this.overview = undefined;
  }

  /** Shows all of the picture. */
  fit(): void {
    if (!this.picture) return;
    const { width, height } = this.picture;
    const zoom = Math.min((this.clientWidth || 1) / width, (this.clientHeight || 1) / height);
    this.show(width / 2, height / 2, zoom);
  }

  /** Shows the stored pixel x, y in the middle, at `zoom` screen pixels for each stored pixel. */
  show(x: number, y: number, zoom: number): void {
    if (!this.picture) return;
    const least = Math.min(1, this.clientWidth / this.picture.width, this.clientHeight / this.picture.height) / 2;
    this.view = {
      x: Math.min(Math.max(x, 0), this.picture.width), y: Math.min(Math.max(y, 0), this.picture.height),
      zoom: Math.min(Math.max(zoom, least), LARGEST_ZOOM),
    };
    this.schedule();
    this.dispatchEvent(new Event("view"));
  }

  private move(x: number, y: number): void {
    if (!this.hasAttribute("static")) this.show(this.view.x + x, this.view.y + y, this.view.zoom);
  }

  private zoomAt(factor: number, px: number, py: number): void {
    if (this.hasAttribute("static")) return;
    const { x, y, zoom } = this.view, dx = px - this.clientWidth / 2, dy = py - this.clientHeight / 2;
    const to = Math.min(zoom * factor, LARGEST_ZOOM);
    this.show(x + dx / zoom - dx / to, y + dy / zoom - dy / to, to);
  }

  private wheel(event: WheelEvent): void {
    if (this.hasAttribute("static")) return;
    event.preventDefault();
    this.zoomAt(2 ** (-event.deltaY / 400), event.offsetX, event.offsetY);
  }

  private key(event: KeyboardEvent): void {
    const step = 64 / this.view.zoom, [w, h] = [this.clientWidth / 2, this.clientHeight / 2];
    const actions: Record<string, () => void> = {
      ArrowLeft: () => this.move(-step, 0), ArrowRight: () => this.move(step, 0), ArrowUp: () => this.move(0, -step),
      ArrowDown: () => this.move(0, step), "+": () => this.zoomAt(1.5, w, h), "-": () => this.zoomAt(1 / 1.5, w, h), "0": () => this.fit(),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.draw();
    });
  }

  private draw(): void {
    const ratio = devicePixelRatio || 1, width = Math.round(this.clientWidth * ratio), height = Math.round(this.clientHeight * ratio);
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    const context = this.canvas.getContext("2d")!, picture = this.picture;
    context.clearRect(0, 0, width, height);
    if (!picture) return;
    const zoom = this.view.zoom * ratio, left = this.view.x - width / 2 / zoom, top = this.view.y - height / 2 / zoom;
    const place = (bitmap: ImageBitmap, x: number, y: number, w: number, h: number) => {
      const [x0, y0] = [Math.round((x - left) * zoom), Math.round((y - top) * zoom)];
      context.drawImage(bitmap, x0, y0, Math.round((x + w - left) * zoom) - x0, Math.round((y + h - top) * zoom) - y0);
    };
    context.imageSmoothingEnabled = true;
    if (this.overview) place(this.overview, 0, 0, picture.width, picture.height);
    // A level is a scale of 2^level; tiles are TILE pixels of it. At level 2 the picture is enlarged fourfold.
    const level = Math.min(Math.max(Math.ceil(Math.log2(zoom) - 0.1), -10), 2), whole = TILE / 2 ** level;
    // Where the picture is small, no part is larger than a tile of the file, so that it appears piece by piece.
    const side = picture.tileSize && whole > picture.tileSize ? picture.tileSize : whole;
    this.clock++;
    const wanted: [string, number, number][] = [];
    const [x1, y1] = [Math.min(left + width / zoom, picture.width), Math.min(top + height / zoom, picture.height)];
    for (let ty = Math.floor(Math.max(top, 0) / side); ty * side < y1; ty++)
      for (let tx = Math.floor(Math.max(left, 0) / side); tx * side < x1; tx++) wanted.push([`${level}/${tx}/${ty}`, tx, ty]);
    const names = new Set(wanted.map(([name]) => name));
    for (const [name, tile] of this.tiles) {
      if (!names.has(name) && !tile.bitmap) { tile.abort.abort(); this.tiles.delete(name); }
      else if (tile.bitmap && tile.level !== level && Math.abs(tile.level - level) <= 2) {
        const s = tile.side;
        place(tile.bitmap, tile.x * s, tile.y * s, Math.min(s, picture.width - tile.x * s), Math.min(s, picture.height - tile.y * s));
      }
    }
    this.queue = [];
    for (const [name, tx, ty] of wanted) {
      const tile = this.tiles.get(name);
      if (!tile) {
        const far = Math.hypot((tx + 0.5) * side - this.view.x, (ty + 0.5) * side - this.view.y);
        this.queue.push({ name, level, side, x: tx, y: ty, far });
        continue;
      }
      tile.used = this.clock;
      const [w, h] = [Math.min(side, picture.width - tx * side), Math.min(side, picture.height - ty * side)];
      if (tile.bitmap) place(tile.bitmap, tx * side, ty * side, w, h);
    }
    this.queue.sort((a, b) => b.far - a.far);
    this.pump();
    if (this.tiles.size > KEPT) {
      const oldest = [...this.tiles].sort((a, b) => a[1].used - b[1].used).slice(0, this.tiles.size - KEPT);
      for (const [name, tile] of oldest) if (!names.has(name)) { tile.bitmap?.close(); this.tiles.delete(name); }
    }
  }

  /** Loads what is wanted, the middle first, a few at a time. */
  private pump(): void {
    while (this.queue.length && this.waiting < LOADS) void this.load(this.queue.pop()!);
  }

  private async load({ name, level, side, x, y }: Wanted): Promise<void> {
    const picture = this.picture!, tile: Drawn = { level, side, x, y, used: this.clock, abort: new AbortController() };
    this.tiles.set(name, tile);
    this.waiting++;
    try {
      const [left, top] = [x * side, y * side];
      const [w, h] = [Math.min(side, picture.width - left), Math.min(side, picture.height - top)];
      const size: [number, number] = [Math.ceil(w * 2 ** level), Math.ceil(h * 2 ** level)];
      tile.bitmap = await picture.bitmap({ region: [left, top, w, h], size, signal: tile.abort.signal });
      if (this.unseen) {
        this.unseen = false;
        this.dispatchEvent(new Event("load"));
      }
      this.schedule();
    } catch (error) {
      if (!tile.abort.signal.aborted) this.dispatchEvent(new ErrorEvent("error", { error, message: (error as Error).message }));
    } finally {
      this.waiting--;
      this.pump();
    }
  }
}

if (!customElements.get("collage-image")) customElements.define("collage-image", CollageImage);
