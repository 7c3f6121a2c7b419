// Boxes in SVG over a picture; the sliders decide which are kept.
const SVG = "http://www.w3.org/2000/svg";

function overlapOf(a, b) {
  const height = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const width = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (height <= 0 || width <= 0) return 0;
  const shared = height * width;
  return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared);
}

function render({ model, el }) {
  const words = model.get("words"), rows = model.get("rows"), columns = model.get("columns");
  const boxes = model.get("boxes"), scores = model.get("scores");
  const order = scores.map((score, place) => place).sort((a, b) => scores[b] - scores[a]);
  const frame = document.createElementNS(SVG, "svg");
  frame.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
  frame.style.cssText = "width:440px;border-radius:6px;display:block";
  const image = document.createElementNS(SVG, "image");
  image.setAttribute("href", model.get("picture"));
  image.setAttribute("width", columns);
  image.setAttribute("height", rows);
  const layer = document.createElementNS(SVG, "g");
  frame.append(image, layer);
  const told = document.createElement("div");
  told.setAttribute("role", "status");
  told.style.cssText = "font-size:14px;color:#334155;margin:6px 0";

  function box(at, colour, width, dash) {
    const rect = document.createElementNS(SVG, "rect");
    const set = (name, value) => rect.setAttribute(name, value);
    set("x", at[1]); set("y", at[0]); set("width", at[3] - at[1]); set("height", at[2] - at[0]);
    set("fill", "none"); set("stroke", colour); set("stroke-width", width * columns / 440);
    if (dash) set("stroke-dasharray", `${columns / 60} ${columns / 90}`);
    layer.append(rect);
  }
  function draw() {
    layer.replaceChildren();
    const kept = [];
    let gone = 0;
    for (const place of order) {
      if (scores[place] < model.get("threshold")) continue;
      if (kept.some((other) => overlapOf(boxes[place], boxes[other]) > model.get("overlap"))) {
        gone += 1;
        box(boxes[place], "#cbd5e1", 1);
      } else kept.push(place);
    }
    for (const place of kept) box(boxes[place], "#2563eb", 2.5);
    for (const at of model.get("truth")) box(at, "#fb923c", 2, true);
    told.innerHTML =
      `<span style="color:#2563eb;font-weight:600">■ ${words.kept} ${kept.length}</span> &nbsp; ` +
      `<span style="color:#94a3b8">■ ${words.gone} ${gone}</span> &nbsp; ` +
      `<span style="color:#ea580c">▢ ${words.truth} ${model.get("truth").length}</span>`;
  }
  function slider(name, low, high) {
    const label = document.createElement("label");
    label.style.cssText = "display:block;font-size:14px;color:#334155;margin:4px 0";
    const input = document.createElement("input");
    Object.assign(input, { type: "range", min: low, max: high, step: 0.01 });
    input.value = model.get(name);
    input.style.cssText = "width:240px;vertical-align:middle;margin:0 8px";
    input.setAttribute("aria-label", words[name]);
    const value = document.createElement("b");
    const show = () => { value.textContent = Number(model.get(name)).toFixed(2); };
    input.oninput = () => { model.set(name, Number(input.value)); show(); draw(); };
    input.onchange = () => model.save_changes();
    label.append(words[name], input, value);
    show();
    return label;
  }
  el.append(slider("overlap", 0, 1), slider("threshold", 0.01, 0.99), told, frame);
  draw();
}

export default { render };
