// The Bjøntegaard matrix, and the sortable table of every measurement.

const SHOWN = 400;

function matrixTable(labels, cells, field) {
  const body = labels.map((test) => element("tr", {},
    element("th", { scope: "row" }, test),
    ...labels.map((anchor) => {
      const one = cells[anchor]?.[test];
      const value = one ? one[field] : null;
      if (value === null) return element("td", {}, anchor === test ? "·" : "–");
      // Full colour at half the bits; the two signs must be told apart in either theme.
      const strength = Math.min(1, Math.abs(value) / 50) * 0.55;
      const colour = `rgb(var(${value < 0 ? "--good" : "--bad"}) / ${strength.toFixed(2)})`;
      const range = one.metric_range ? `, over ${one.metric_range.map((end) => end.toFixed(1)).join(" to ")}` : "";
      const title = `${test} against ${anchor}: ${signed(one.metric)} in quality${range}, ${one.images} pictures`;
      return element("td", { style: `background:${colour}`, title }, signed(value));
    })));
  const head = element("tr", {}, element("th", {}, ""), ...labels.map((label) => element("th", { scope: "col" }, label)));
  return element("table", { class: "matrix" }, element("thead", {}, head), element("tbody", {}, ...body));
}

// `columns`: key, name, and how a value is written; null for text.
function sortableTable(box, note, rows, columns) {
  let order = { key: columns[0][0], up: true };
  let words = [];
  const compared = (one, other) => {
    const [a, b] = [one[order.key], other[order.key]];
    if (a === null || b === null) return (a === null) - (b === null);
    return (typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true })) * (order.up ? 1 : -1);
  };
  const cell = (row, [key, , write]) => element("td", { class: write ? null : "text" }, write ? write(row[key]) : String(row[key]));
  const render = () => {
    const fits = (row) => words.every((word) => `${row.image} ${row.label} ${row.status}`.toLowerCase().includes(word));
    const found = rows.filter(fits).sort(compared);
    const sorted = (key) => (order.key !== key ? "none" : order.up ? "ascending" : "descending");
    const turn = (key) => () => {
      order = { key, up: order.key === key ? !order.up : true };
      render();
    };
    const heads = columns.map(([key, name, write]) => element("th", {
      scope: "col", class: write ? null : "text", "aria-sort": sorted(key), onclick: turn(key),
    }, name));
    const lines = found.slice(0, SHOWN).map((row) => element(
      "tr", { class: row.status === "failed" ? "failed" : null, title: row.error || null },
      ...columns.map((column) => cell(row, column)),
    ));
    box.replaceChildren(element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...lines)));
    note.textContent = `${found.length} of ${rows.length} measurements` + (found.length > SHOWN ? `, the first ${SHOWN} shown` : "");
  };
  render();
  return (text) => {
    words = text.toLowerCase().split(/\s+/).filter(Boolean);
    render();
  };
}
