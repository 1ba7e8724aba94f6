// Two crops at the same place: flipped or split, zoomed and moved together.

function viewer(stage, controls, note, scenes) {
  if (!scenes.length) {
    stage.hidden = true;
    note.textContent = "No crops were made for this page.";
    return;
  }
  const view = { scene: 0, sides: [null, null], front: 0, split: false, seam: 0.5, zoom: 2, x: 0, y: 0 };
  const images = [element("img", { alt: "" }), element("img", { alt: "" })];
  const labels = [element("div", { class: "label" }), element("div", { class: "label right" })];
  const seam = element("div", { class: "seam" });
  stage.append(...images, seam, ...labels);

  const options = () => ["original", ...scenes[view.scene].coded.map((one) => one.label)];
  const source = (label) => {
    const scene = scenes[view.scene];
    if (label === "original") return { picture: scene.original, text: "original" };
    const one = scene.coded.find((coded) => coded.label === label);
    return { picture: one.picture, text: `${label}   ${digits(one.bpp, 3)} bpp   ${digits(one.psnr, 2)} dB   SSIMULACRA2 ${digits(one.ssimulacra2, 1)}` };
  };

  const show = () => {
    const { size } = scenes[view.scene];
    images.forEach((image, side) => {
      const { picture, text } = source(view.sides[side]);
      if (image.src !== picture) image.src = picture;
      image.alt = text;
      image.style.transform = `translate(-50%, -50%) translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
      image.style.visibility = view.split || side === view.front ? "visible" : "hidden";
      labels[side].textContent = text;
      labels[side].style.display = view.split || side === view.front ? "" : "none";
      labels[side].classList.toggle("right", view.split && side === 1);
    });
    // The seam stands still on the stage; the clip is in the picture's own pixels.
    const cut = ((view.seam - 0.5) * stage.clientWidth - view.x) / view.zoom + size / 2;
    images[1].style.clipPath = view.split ? `inset(0 0 0 ${Math.min(size, Math.max(0, cut))}px)` : "none";
    seam.style.display = view.split ? "" : "none";
    seam.style.left = `${view.seam * 100}%`;
    stage.dataset.front = view.sides[view.front];
    stage.dataset.zoom = view.zoom;
  };

  const keep = () => {
    const known = options();
    const wanted = [known[1] || known[0], known[2] || known[0]];
    view.sides = view.sides.map((label, side) => (known.includes(label) ? label : wanted[side]));
  };
  const zoomTo = (factor) => {
    const zoom = Math.min(16, Math.max(1, factor));
    view.x *= zoom / view.zoom;
    view.y *= zoom / view.zoom;
    view.zoom = zoom;
    show();
  };
  const flip = () => {
    view.front = 1 - view.front;
    show();
  };

  const build = () => {
    keep();
    const named = (label) => [label, label];
    const sceneName = (scene, number) => [String(number), `${scene.image} at ${scene.rate} bpp`];
    const side = (number) => menu(number ? "B" : "A", options().map(named), view.sides[number], (label) => {
      view.sides[number] = label;
      view.front = number;
      show();
    });
    controls.replaceChildren(
      menu("Picture", scenes.map(sceneName), String(view.scene), (number) => {
        view.scene = Number(number);
        build();
      }),
      side(0),
      side(1),
      choice([["flip", "Flip"], ["split", "Split"]], view.split ? "split" : "flip", (mode) => {
        view.split = mode === "split";
        show();
      }),
      element("span", { class: "switch" },
        element("button", { type: "button", "aria-label": "zoom out", onclick: () => zoomTo(view.zoom / 2) }, "−"),
        element("button", { type: "button", "aria-label": "zoom in", onclick: () => zoomTo(view.zoom * 2) }, "+")),
    );
    show();
  };

  let grip = null;
  stage.addEventListener("pointerdown", (event) => {
    grip = { x: event.clientX, y: event.clientY, moved: false };
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!grip) {
      if (view.split) {
        view.seam = (event.clientX - stage.getBoundingClientRect().left) / stage.clientWidth;
        show();
      }
      return;
    }
    const [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y];
    if (!grip.moved && Math.hypot(dx, dy) < 4) return;
    view.x += dx;
    view.y += dy;
    grip = { x: event.clientX, y: event.clientY, moved: true };
    show();
  });
  stage.addEventListener("pointerup", () => {
    if (grip && !grip.moved && !view.split) flip();
    grip = null;
  });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomTo(view.zoom * (event.deltaY < 0 ? 1.25 : 0.8));
  }, { passive: false });
  stage.addEventListener("keydown", (event) => {
    const actions = { " ": flip, "+": () => zoomTo(view.zoom * 2), "-": () => zoomTo(view.zoom / 2) };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  });
  note.textContent = "Click or space flips, wheel or + and − zoom, dragging moves. Rates and metrics are of the whole picture; the pictures with the lowest SSIMULACRA2 come first.";
  build();
}
