// A chart of lines with linear or logarithmic axes, and the point under the pointer told.

const CHART = { width: 1000, height: 480, left: 62, right: 14, top: 12, bottom: 48 };

function ticks(low, high, log) {
  const found = [];
  if (log) {
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      for (const step of [1, 2, 3, 5]) found.push(step * 10 ** power);
    }
  } else {
    const rough = (high - low) / 7;
    const unit = 10 ** Math.floor(Math.log10(rough));
    const step = unit * [1, 2, 5, 10].find((factor) => factor * unit >= rough);
    for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(at);
  }
  return found.filter((at) => at >= low * (1 - 1e-9) && at <= high * (1 + 1e-9));
}

// Return a function from values to pixels. `margin` widens the range by this share on both sides.
function scale(values, log, from, to, margin) {
  const warp = log ? Math.log10 : (value) => value;
  const unwarp = log ? (value) => 10 ** value : (value) => value;
  let low = warp(Math.min(...values)), high = warp(Math.max(...values));
  if (low === high) { low -= 0.5; high += 0.5; }
  const spare = (high - low) * margin;
  low -= spare; high += spare;
  const place = (value) => from + ((warp(value) - low) / (high - low)) * (to - from);
  return Object.assign(place, { range: [unwarp(low), unwarp(high)] });
}

function axes(svg, x, y, options) {
  const { width, height, left, right, top, bottom } = CHART;
  const short = (value) => Number(value.toPrecision(3)).toString();
  for (const at of ticks(...x.range, options.xLog)) {
    svg.append(
      drawn("line", { class: "grid", x1: x(at), x2: x(at), y1: top, y2: height - bottom }),
      drawn("text", { x: x(at), y: height - bottom + 18, "text-anchor": "middle" }, short(at)),
    );
  }
  for (const at of ticks(...y.range, options.yLog)) {
    svg.append(
      drawn("line", { class: "grid", x1: left, x2: width - right, y1: y(at), y2: y(at) }),
      drawn("text", { x: left - 8, y: y(at) + 4, "text-anchor": "end" }, short(at)),
    );
  }
  const middle = (top + height - bottom) / 2;
  svg.append(
    drawn("text", { class: "title", x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }, options.xName),
    drawn("text", { class: "title", "text-anchor": "middle", transform: `translate(15 ${middle}) rotate(-90)` }, options.yName),
  );
}

// Draw into `box`. `lines`: label, colour, dash, thin, points of x, y and text (an array of lines for the tip).
function chart(box, lines, options) {
  const { width, height, left, right, top, bottom } = CHART;
  const within = (point) => point.x > 0 && point.x <= (options.xMost || Infinity) && Number.isFinite(point.y)
    && point.y !== null && (!options.yLog || point.y > 0);
  const kept = lines.map((line) => ({ ...line, points: line.points.filter(within) }));
  const points = kept.flatMap((line) => line.points.map((point) => ({ ...point, line })));
  if (!points.length) return box.replaceChildren(element("p", { class: "note" }, "Nothing to draw."));
  const x = scale(points.map((point) => point.x), options.xLog, left, width - right, 0.02);
  const y = scale(points.map((point) => point.y), options.yLog, height - bottom, top, 0.04);
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": options.yName });
  axes(svg, x, y, options);
  for (const line of kept) {
    const path = line.points.map((point) => `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`).join(" ");
    const look = { stroke: line.colour, "stroke-dasharray": line.dash };
    svg.append(drawn("polyline", { class: line.thin ? "curve thin" : "curve", points: path, ...look }));
    for (const point of line.points) {
      svg.append(drawn("circle", { cx: x(point.x), cy: y(point.y), r: line.thin ? 2 : 3, fill: line.colour }));
    }
  }
  hover(svg, points, x, y);
  box.replaceChildren(svg);
}

function hover(svg, points, x, y) {
  const tip = document.getElementById("tip");
  const mark = drawn("circle", { class: "near", r: 6, visibility: "hidden" });
  svg.append(mark);
  svg.addEventListener("pointermove", (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const far = (point) => Math.hypot(x(point.x) - at.x, y(point.y) - at.y);
    const nearest = points.reduce((best, point) => (far(point) < far(best) ? point : best));
    const close = far(nearest) < 40;
    mark.setAttribute("visibility", close ? "visible" : "hidden");
    tip.hidden = !close;
    if (!close) return;
    for (const [key, value] of [["cx", x(nearest.x)], ["cy", y(nearest.y)], ["fill", nearest.line.colour]]) {
      mark.setAttribute(key, value);
    }
    tip.replaceChildren(element("b", {}, nearest.line.label), ...nearest.text.map((text) => element("div", {}, text)));
    const over = event.clientX + 16 + tip.offsetWidth > window.innerWidth;
    tip.style.left = `${over ? event.clientX - 16 - tip.offsetWidth : event.clientX + 16}px`;
    tip.style.top = `${Math.max(4, event.clientY - tip.offsetHeight - 8)}px`;
  });
  svg.addEventListener("pointerleave", () => {
    tip.hidden = true;
    mark.setAttribute("visibility", "hidden");
  });
}
