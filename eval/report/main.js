// The page itself: what stands in each section, from the numbers embedded above.

const DATA = JSON.parse(document.getElementById("data").textContent);
const LABELS = Object.keys(DATA.summary.mean_curves);
const DASHES = [null, "7 4", "2 3", "9 3 2 3"];
const MEAN = "";

function look(label) {
  const number = LABELS.indexOf(label);
  return { colour: DATA.colours[number % DATA.colours.length], dash: DASHES[Math.floor(number / DATA.colours.length) % DASHES.length] };
}

function lead() {
  const { run, rows } = DATA;
  const failures = rows.filter((row) => row.status === "failed").length;
  document.getElementById("lead").textContent = `${run.pictures.length} pictures, ${LABELS.length} sweeps, ${rows.length} measurements`
    + (failures ? `, ${failures} of them failed` : "") + ". Rates are bytes of whole files; quality is of the decoded 8-bit pictures.";
}

function curves() {
  const state = { metric: "psnr", log: "log", picture: MEAN, hidden: new Set() };
  const images = [...new Set(DATA.rows.map((row) => row.image))].sort();
  const equalRate = (label) => ((DATA.equal_rate[state.metric] || {})[label] || []).map(([x, y]) => ({
    x, y, text: [`${digits(y, 3)} at ${digits(x, 3)} bpp`, "mean of all pictures at this rate"],
  }));
  const pointsOf = (label) => {
    const mean = state.picture === MEAN;
    if (mean && state.metric !== "psnr") return equalRate(label);
    const source = mean ? DATA.summary.mean_curves[label]
      : DATA.rows.filter((row) => row.image === state.picture && row.label === label && row.status === "ok").sort((a, b) => a.bpp - b.bpp);
    return source.map((one) => ({
      x: one.bpp, y: one[state.metric],
      text: [`setting ${one.value}`, `${digits(one.bpp, 3)} bpp`, `PSNR ${digits(one.psnr, 2)} dB, luma ${digits(one.psnr_y, 2)} dB`,
        `MS-SSIM ${digits(one.ms_ssim_db, 2)} dB, SSIM ${digits(one.ssim, 4)}, SSIMULACRA2 ${digits(one.ssimulacra2, 1)}`,
        ...(mean ? [`PSNR of the mean error ${digits(one.psnr_of_mse, 2)} dB`, `${one.images} pictures`] : [`${one.bytes} bytes`])],
    }));
  };
  const others = () => (state.metric !== "psnr" || state.picture !== MEAN ? [] : DATA.published.map((one) => ({
    label: one.label, colour: "#8a93a3", dash: "3 3", thin: true,
    points: one.points.map(([x, y]) => ({ x, y, text: [`${x} bpp, ${y} dB`, `published: ${one.source}`, one.counted] })),
  })));
  const draw = () => {
    const lines = LABELS.filter((label) => !state.hidden.has(label)).map((label) => ({ label, ...look(label), points: pointsOf(label) }));
    chart(document.getElementById("curve-chart"), [...others(), ...lines], {
      xLog: state.log === "log", xMost: 2, xName: "bits per pixel", yName: DATA.axes[state.metric],
    });
    legend();
  };
  const legend = () => {
    const chips = LABELS.map((label) => {
      const { colour, dash } = look(label);
      const stroke = drawn("line", { x1: 0, x2: 22, y1: 4, y2: 4, stroke: colour, "stroke-width": 3, "stroke-dasharray": dash });
      const toggle = () => {
        if (!state.hidden.delete(label)) state.hidden.add(label);
        draw();
      };
      const alone = () => {
        state.hidden = new Set(LABELS.filter((other) => other !== label));
        draw();
      };
      const pressed = String(!state.hidden.has(label));
      return element("button", { type: "button", "aria-pressed": pressed, onclick: toggle, ondblclick: alone }, drawn("svg", {}, stroke), label);
    });
    const all = () => {
      state.hidden.clear();
      draw();
    };
    document.getElementById("legend").replaceChildren(...chips, element("button", { type: "button", onclick: all }, "all"));
  };
  const set = (key) => (value) => {
    state[key] = value;
    draw();
  };
  document.getElementById("curve-controls").append(
    menu("Quality", Object.entries(DATA.axes), state.metric, set("metric")),
    menu("Picture", [[MEAN, "mean of all"], ...images.map((name) => [name, name])], MEAN, set("picture")),
    choice([["log", "log rate"], ["linear", "linear"]], state.log, set("log")),
  );
  draw();
}

function bjontegaard() {
  const state = { metric: "psnr", field: "rate" };
  const [low, high] = DATA.summary.window_bpp;
  const draw = () => {
    document.getElementById("bd-table").replaceChildren(matrixTable(LABELS, DATA.summary.bd[state.metric], state.field));
    document.getElementById("bd-note").textContent =
      `Percent of bits that the row needs against the column at equal quality, between ${low} and ${high} bits per pixel of either; `
      + "negative is fewer. The project's targets are read from the mean over pictures. A cell tells its range under the pointer.";
  };
  const set = (key) => (value) => {
    state[key] = value;
    draw();
  };
  document.getElementById("bd-controls").append(
    menu("Quality", Object.keys(DATA.summary.bd).map((key) => [key, DATA.axes[key]]), state.metric, set("metric")),
    choice([["rate", "mean over pictures"], ["mean_curve_rate", "of the mean curve"]], state.field, set("field")),
  );
  draw();
}

function timing() {
  const { means = [], threads, repeats, machine } = DATA.timing;
  if (!means.length) {
    document.getElementById("timing-note").textContent = "Nothing was timed: run `python -m eval timing` into the same folder.";
    return;
  }
  const state = { cost: "decode_s", against: "psnr" };
  const quality = (row) => (DATA.summary.mean_curves[row.label] || []).find((point) => point.value === row.value)?.psnr ?? null;
  const labels = [...new Set(means.map((row) => row.label))];
  const draw = () => {
    const lines = labels.map((label) => ({
      label, ...(LABELS.includes(label) ? look(label) : { colour: "#8a93a3", dash: null }),
      points: means.filter((row) => row.label === label).sort((a, b) => a.bpp - b.bpp).map((row) => ({
        x: state.against === "psnr" ? quality(row) : row.bpp, y: row[state.cost] / row.megapixels,
        text: [`setting ${row.value}, ${digits(row.bpp, 3)} bpp`, `${significant(row.megapixels / row[state.cost])} megapixels a second`],
      })),
    }));
    chart(document.getElementById("timing-chart"), lines, {
      xLog: state.against === "bpp", yLog: true, xName: state.against === "bpp" ? "bits per pixel" : "PSNR, RGB (dB)",
      yName: `seconds per megapixel to ${state.cost.slice(0, 6)}`,
    });
  };
  const set = (key) => (value) => {
    state[key] = value;
    draw();
  };
  document.getElementById("timing-controls").append(
    choice([["decode_s", "decode"], ["encode_s", "encode"]], state.cost, set("cost")),
    choice([["psnr", "against PSNR"], ["bpp", "against rate"]], state.against, set("against")),
  );
  const cells = [["value", significant], ["bpp", (one) => digits(one, 3)], ["load_s", significant], ["encode_s", significant],
    ["decode_s", significant], ["encode_mib", (one) => digits(one, 0)], ["decode_mib", (one) => digits(one, 0)]];
  const names = ["setting", "bpp", "load s", "encode s", "decode s", "encode MiB", "decode MiB"];
  const body = means.map((row) => element("tr", {}, element("td", {}, row.label), ...cells.map(([key, write]) => element("td", {}, write(row[key])))));
  const head = element("tr", {}, ...["sweep", ...names].map((name) => element("th", {}, name)));
  document.getElementById("timing-table").replaceChildren(element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)));
  document.getElementById("timing-note").textContent = `Median of ${repeats} warm runs, mean over pictures, ${threads} thread(s), ${machine.processor}. `
    + "Load is the first use, model included; memory is the peak beyond the picture's own.";
  draw();
}

function measurements() {
  const fixed = (places) => (value) => digits(value, places);
  const filter = sortableTable(document.getElementById("rows-table"), document.getElementById("rows-note"), DATA.rows, [
    ["image", "picture", null], ["label", "sweep", null], ["value", "setting", significant], ["bytes", "bytes", String],
    ["bpp", "bpp", fixed(3)], ["psnr", "PSNR", fixed(2)], ["psnr_y", "luma", fixed(2)], ["ms_ssim_db", "MS-SSIM dB", fixed(2)],
    ["ssim", "SSIM", fixed(4)], ["ssimulacra2", "SSIMULACRA2", fixed(1)], ["worst_colour", "worst colour", fixed(2)],
    ["status", "status", null],
  ]);
  const search = element("input", { type: "search", placeholder: "picture, sweep, failed …", oninput: () => filter(search.value) });
  document.getElementById("rows-controls").append(element("label", {}, "Find", search));
}

function made() {
  const { run } = DATA;
  const sweeps = Object.entries(run.series).map(([label, one]) => `${label}: ${JSON.stringify(one.settings)}, ${one.backend}`);
  const left = Object.entries(run.left_out).map(([label, reason]) => `${label}: ${reason}`);
  const published = DATA.published.map((one) => `${one.label}: ${one.source}; taken ${one.taken}; ${one.counted}`);
  const listed = (object) => Object.entries(object).map(([key, value]) => `${key} ${value}`).join(", ");
  const facts = [
    ["Pictures", [`${run.data}: ${run.pictures.map((one) => `${one.name} (${one.width}x${one.height})`).join(", ")}`, ...run.notices]],
    ["Sweeps", sweeps], ["Left out", left], ["Published by others", published],
    ["Machine", [listed(run.machine)]], ["Versions", [listed(run.versions)]], ["Seeds", [run.seed]],
  ];
  const list = element("dl", {});
  for (const [name, lines] of facts) {
    if (lines.length) list.append(element("dt", {}, name), element("dd", {}, ...lines.map((line) => element("div", {}, line))));
  }
  document.getElementById("facts").append(list);
}

lead();
curves();
bjontegaard();
timing();
viewer(document.getElementById("stage"), document.getElementById("crop-controls"), document.getElementById("crop-note"), DATA.scenes);
measurements();
made();
document.body.dataset.ready = "yes";
