// The curve up to the threshold is drawn in full, what lies below it faintly.
const SVG = "http://www.w3.org/2000/svg", W = 560, H = 300, LEFT = 56, BOTTOM = 44, TOP = 14;

function render({ model, el }) {
  const words = model.get("words"), scores = model.get("scores"), hits = model.get("hits");
  const images = model.get("images"), findings = model.get("findings");
  const order = scores.map((score, place) => place).sort((a, b) => scores[b] - scores[a]);
  const points = [{ score: Infinity, x: 0, y: 0 }];
  let wrong = 0, right = 0;
  for (const place of order) {
    if (hits[place]) right += 1; else wrong += 1;
    points.push({ score: scores[place], x: wrong / images, y: right / findings });
  }
  const most = Math.max(1, Math.min(8, points[points.length - 1].x));
  const px = (x) => LEFT + (W - LEFT - 16) * Math.min(x, most) / most;
  const py = (y) => TOP + (H - TOP - BOTTOM) * (1 - y);
  const make = (name, set, text) => {
    const made = document.createElementNS(SVG, name);
    for (const key in set) made.setAttribute(key, set[key]);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const frame = make("svg", { viewBox: `0 0 ${W} ${H}` });
  frame.style.cssText = `width:${W}px;max-width:100%;font-family:sans-serif;font-size:12px`;
  for (const y of [0, 0.25, 0.5, 0.75, 1]) {
    frame.append(make("line", { x1: LEFT, x2: W - 16, y1: py(y), y2: py(y), stroke: "#e2e8f0" }));
    frame.append(make("text", { x: LEFT - 8, y: py(y) + 4, "text-anchor": "end", fill: "#64748b" }, y));
  }
  for (let x = 0; x <= most; x += most > 4 ? 2 : most > 1 ? 1 : 0.25)
    frame.append(make("text", { x: px(x), y: H - BOTTOM + 18, "text-anchor": "middle", fill: "#64748b" }, x));
  frame.append(make("text", { x: (W + LEFT) / 2, y: H - 6, "text-anchor": "middle", fill: "#334155" }, words.x));
  const side = make("text", { x: 0, y: 0, "text-anchor": "middle", fill: "#334155",
    transform: `translate(14 ${(H - BOTTOM + TOP) / 2}) rotate(-90)` }, words.y);
  const faint = make("polyline", { fill: "none", stroke: "#bfdbfe", "stroke-width": 2 });
  const full = make("polyline", { fill: "none", stroke: "#2563eb", "stroke-width": 3 });
  const dot = make("circle", { r: 7, fill: "#2563eb" });
  frame.append(side, faint, full, dot);
  const path = (list) => list.map((p) => `${px(p.x)},${py(p.y)}`).join(" ");
  faint.setAttribute("points", path(points));

  const told = document.createElement("div");
  told.setAttribute("role", "status");
  told.style.cssText = "font-size:14px;color:#1e293b;margin:6px 0";
  const input = document.createElement("input");
  Object.assign(input, { type: "range", min: 0, max: 1, step: 0.005 });
  input.value = 1 - model.get("threshold");
  input.setAttribute("aria-label", words.threshold);
  input.style.cssText = "width:300px;vertical-align:middle;margin:0 8px";
  const value = document.createElement("b");
  const label = document.createElement("label");
  label.style.cssText = "font-size:14px;color:#334155";
  label.append(words.threshold, input, value);

  function draw() {
    const limit = model.get("threshold");
    const counted = points.filter((p) => p.score >= limit), last = counted[counted.length - 1];
    full.setAttribute("points", path(counted));
    dot.setAttribute("cx", px(last.x));
    dot.setAttribute("cy", py(last.y));
    value.textContent = limit.toFixed(2);
    told.textContent = words.told.replace("{found}", Math.round(last.y * findings))
      .replace("{findings}", findings).replace("{wrong}", last.x.toFixed(2));
  }
  input.oninput = () => { model.set("threshold", 1 - Number(input.value)); draw(); };
  input.onchange = () => model.save_changes();
  model.on("change:threshold", draw);
  el.append(label, told, frame);
  draw();
}

export default { render };
