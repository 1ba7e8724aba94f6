"use strict";
// Making elements, and writing numbers.

function element(name, attributes, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function drawn(name, attributes, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

function digits(value, places) {
  return value === null || value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(places);
}

function significant(value) {
  return value === null || !Number.isFinite(value) ? "–" : Number(value.toPrecision(3)).toString();
}

function signed(value) {
  return value === null ? "–" : (value > 0 ? "+" : value < 0 ? "−" : "") + Math.abs(value).toFixed(1);
}

// A row of buttons of which one is down. `options`: pairs of value and text.
function choice(options, chosen, change) {
  const box = element("span", { class: "switch", role: "group" });
  for (const [value, text] of options) {
    const press = () => {
      for (const button of box.children) button.setAttribute("aria-pressed", String(button.value === String(value)));
      change(value);
    };
    const attributes = { type: "button", value, "aria-pressed": String(value === chosen), onclick: press };
    box.append(element("button", attributes, text));
  }
  return box;
}

function menu(text, options, chosen, change) {
  const list = element("select", { onchange: () => change(list.value) });
  for (const [value, name] of options) {
    list.append(element("option", { value, selected: value === chosen ? "" : null }, name));
  }
  return element("label", {}, text, list);
}
