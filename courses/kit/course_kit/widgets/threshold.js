// One slider, five pictures. Each is an SVG of its own; the slider moves the marks in all of them.
const BLUE = "#2563eb", AMBER = "#d97706", GREY = "#94a3b8", INK = "#1e293b", GREEN = "#059669";
const SPACE = "http://www.w3.org/2000/svg";

function svg(kind, attributes = {}, text = "") {
  const node = document.createElementNS(SPACE, kind);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

// A picture with axes from 0 to 1 at the bottom, and from low to high at the left.
function plot(title, xname, yname, width, height, low = 0, high = 1) {
  const left = 40, right = 12, top = 26, bottom = 34;
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height,
    style: "background:#fff;border-radius:8px;border:1px solid #e2e8f0", role: "img",
    "aria-label": title });
  const x = (value) => left + value * (width - left - right);
  const y = (value) => height - bottom - (value - low) / (high - low) * (height - top - bottom);
  root.append(svg("text", { x: 10, y: 17, "font-size": 13, "font-weight": 600, fill: INK }, title));
  for (const tick of [0, 0.5, 1]) {
    root.append(svg("line", { x1: x(tick), x2: x(tick), y1: y(low), y2: y(low) + 4, stroke: GREY }));
    root.append(svg("text", { x: x(tick), y: y(low) + 15, "font-size": 10, fill: "#64748b",
      "text-anchor": "middle" }, String(tick)));
  }
  root.append(svg("line", { x1: x(0), x2: x(1), y1: y(low), y2: y(low), stroke: GREY }));
  root.append(svg("text", { x: x(0.5), y: height - 5, "font-size": 11, fill: "#64748b",
    "text-anchor": "middle" }, xname));
  root.append(svg("text", { x: 12, y: y((low + high) / 2), "font-size": 11, fill: "#64748b",
    "text-anchor": "middle", transform: `rotate(-90 12 ${y((low + high) / 2)})` }, yname));
  const path = (points, colour, extra = {}) => {
    const d = points.map(([a, b], place) => `${place ? "L" : "M"}${x(a).toFixed(1)} ` +
      y(Math.max(low, Math.min(high, b))).toFixed(1)).join("");
    root.append(svg("path", { d, fill: "none", stroke: colour, "stroke-width": 2.2, ...extra }));
  };
  const ticks = (values) => values.forEach((value) => root.append(svg("text", { x: x(0) - 5,
    y: y(value) + 3, "font-size": 10, fill: "#64748b", "text-anchor": "end" }, String(value))));
  return { root, x, y, path, ticks };
}

function render({ model, el }) {
  const c = model.get("curves"), words = model.get("words"), steps = c.hits.length - 1;
  const box = document.createElement("div");
  box.style.cssText = "max-width:1060px;font-family:sans-serif;color:" + INK;
  const bar = document.createElement("label");
  bar.style.cssText = "display:flex;gap:12px;align-items:center;font-size:14px;font-weight:600;margin:4px 0 10px";
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: steps, step: 1 });
  slider.style.cssText = "flex:1;max-width:640px;accent-color:" + BLUE;
  const said = document.createElement("span");
  said.style.cssText = "font-size:18px;color:" + BLUE;
  bar.append(words.threshold, slider, said);
  const grid = document.createElement("div");
  grid.style.cssText = "display:flex;flex-wrap:wrap;gap:10px";

  const most = Math.max(...c.bars_with, ...c.bars_without);
  const scores = plot(words.scores, words.probability, "", 520, 230, 0, most * 1.1);
  const bins = c.bars_with.length;
  [["bars_without", GREY, 0], ["bars_with", BLUE, 1]].forEach(([name, colour, side]) =>
    c[name].forEach((count, place) => {
      const start = scores.x(place / bins), wide = (scores.x(1) - scores.x(0)) / bins / 2 - 1;
      scores.root.append(svg("rect", { x: start + side * (wide + 1), width: wide, y: scores.y(count),
        height: scores.y(0) - scores.y(count), fill: colour, rx: 1 }));
    }));
  [[words.with, BLUE, 40], [words.without, GREY, 54]].forEach(([word, colour, y]) =>
    scores.root.append(svg("text", { x: 505, y, "font-size": 11, fill: colour, "text-anchor": "end",
      "font-weight": 600 }, "■ " + word)));

  const roc = plot(`${words.roc}  ${c.auroc.toFixed(2)}`, words.false_rate, words.found, 255, 230);
  roc.path([[0, 0], [1, 1]], GREY, { "stroke-dasharray": "4 4", "stroke-width": 1 });
  roc.path(c.roc, BLUE);
  const pr = plot(`${words.pr}  ${c.auprc.toFixed(2)}`, words.found, words.right, 255, 230);
  pr.path([[0, c.share], [1, c.share]], GREY, { "stroke-dasharray": "4 4", "stroke-width": 1 });
  pr.path(c.pr, BLUE);
  for (const one of [roc, pr]) one.ticks([0, 0.5, 1]);

  const floor = -0.15 * c.share, height = Math.max(...c.net, c.share) * 1.15;
  const net = plot(words.net, words.threshold, words.benefit, 520, 230, floor, height);
  const asked = c.net.map((_, place) => place / steps);
  net.path([[0, 0], [1, 0]], GREY, { "stroke-width": 1.5 });
  net.path(asked.map((at, place) => [at, c.net_all[place]]).filter(([, b]) => b > floor), AMBER);
  net.path(asked.map((at, place) => [at, c.net[place]]), BLUE);
  net.ticks([0, Number(c.share.toFixed(2))]);
  [[words.reader, BLUE, 40], [words.all, AMBER, 54], [words.none, GREY, 68]].forEach(([word, colour, y]) =>
    net.root.append(svg("text", { x: 505, y, "font-size": 11, fill: colour, "text-anchor": "end",
      "font-weight": 600 }, "■ " + word)));

  const four = svg("svg", { viewBox: "0 0 520 230", width: 520, height: 230, role: "img",
    "aria-label": words.boxes, style: "background:#fff;border-radius:8px;border:1px solid #e2e8f0" });
  four.append(svg("text", { x: 10, y: 17, "font-size": 13, "font-weight": 600, fill: INK }, words.boxes));
  const cells = {};
  const ill = c.hits[0] + c.misses[0], well = c.false_alarms[0] + c.quiet[0];
  [["hits", 0, 0, GREEN, ill], ["misses", 1, 0, AMBER, ill], ["false_alarms", 0, 1, AMBER, well],
    ["quiet", 1, 1, GREEN, well]].forEach(([name, column, row, colour, whole]) => {
    const x = 10 + column * 252, y = 28 + row * 98;
    const area = svg("rect", { x, y, width: 248, height: 94, rx: 6, fill: colour });
    const number = svg("text", { x: x + 124, y: y + 50, "font-size": 30, "font-weight": 700,
      fill: INK, "text-anchor": "middle" });
    four.append(area, number, svg("text", { x: x + 124, y: y + 76, "font-size": 12, fill: INK,
      "text-anchor": "middle" }, `${words[name]} (${row ? words.without : words.with})`));
    cells[name] = { area, number, whole };
  });

  const line = (one, low, high) => {
    const node = svg("line", { y1: one.y(low), y2: one.y(high), stroke: INK, "stroke-width": 1.6,
      "stroke-dasharray": "5 3" });
    one.root.append(node);
    return (at) => { node.setAttribute("x1", one.x(at)); node.setAttribute("x2", one.x(at)); };
  };
  const dot = (one) => {
    const node = svg("circle", { r: 6, fill: "#fff", stroke: INK, "stroke-width": 2.5 });
    one.root.append(node);
    return (a, b) => {
      node.setAttribute("visibility", b === null ? "hidden" : "visible");
      if (b !== null) { node.setAttribute("cx", one.x(a)); node.setAttribute("cy", one.y(b)); }
    };
  };
  const cut = line(scores, 0, most * 1.1), asks = line(net, floor, height);
  const onRoc = dot(roc), onPr = dot(pr), onNet = dot(net);
  const told = document.createElement("div");
  told.setAttribute("role", "status");
  told.style.cssText = "font-size:15px;font-weight:600;color:" + BLUE + ";margin-top:10px;min-height:22px";

  function show() {
    const place = Math.round(model.get("threshold") * steps), at = place / steps;
    const hits = c.hits[place], wrong = c.false_alarms[place], alarms = hits + wrong;
    slider.value = place;
    said.textContent = at.toFixed(2);
    cut(at);
    asks(at);
    onRoc(wrong / well, hits / ill);
    onPr(hits / ill, alarms ? hits / alarms : null);
    onNet(at, place < steps && c.net[place] >= floor ? c.net[place] : null);
    for (const [name, cell] of Object.entries(cells)) {
      cell.number.textContent = c[name][place];
      cell.area.setAttribute("fill-opacity", (0.06 + 0.5 * c[name][place] / cell.whole).toFixed(2));
    }
    const share = (part, whole) => whole ? String(Math.round(100 * part / whole)) : "–";
    told.textContent = words.told.replace("{at}", at.toFixed(2)).replace("{found}", share(hits, ill))
      .replace("{wrong}", share(wrong, well)).replace("{right}", share(hits, alarms));
  }
  slider.oninput = () => {
    model.set("threshold", Number(slider.value) / steps);
    model.save_changes();
    show();
  };
  slider.onkeydown = (event) => event.stopPropagation();
  model.on("change:threshold", show);
  grid.append(scores.root, roc.root, pr.root, four, net.root);
  box.append(bar, grid, told);
  el.append(box);
  show();
}

export default { render };
