// Draws a mask over an image. The image is scaled up; the mask has the image's own pixels.
const WIDTH = 460;

function bytes(value) {
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

function render({ model, el }) {
  const rows = model.get("rows"), columns = model.get("columns"), words = model.get("words");
  const zoom = WIDTH / columns;
  const grey = bytes(model.get("grey")), truth = bytes(model.get("truth"));
  const mask = new Uint8Array(bytes(model.get("drawn")));
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  canvas.tabIndex = 0;
  canvas.setAttribute("aria-label", words.help);
  canvas.style.cssText =
    `width:${WIDTH}px;height:${rows * zoom}px;image-rendering:pixelated;cursor:crosshair;` +
    "touch-action:none;border-radius:6px;display:block";
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  let radius = Math.max(1, Math.round(columns / 40)), shown = false, timer = null;
  let at = { row: rows >> 1, column: columns >> 1 }, keyed = false;

  function edge(place) {
    const row = Math.floor(place / columns), column = place % columns;
    return truth[place] && (row === 0 || row === rows - 1 || column === 0 || column === columns - 1 ||
      !truth[place - 1] || !truth[place + 1] || !truth[place - columns] || !truth[place + columns]);
  }
  function draw() {
    for (let place = 0; place < mask.length; place++) {
      let red = grey[place], green = red, blue = red;
      if (mask[place]) { red = red * 0.55; green = green * 0.55 + 60; blue = blue * 0.55 + 110; }
      if (shown && edge(place)) { red = 251; green = 146; blue = 60; }
      pixels.data.set([red, green, blue, 255], place * 4);
    }
    context.putImageData(pixels, 0, 0);
    if (keyed) {
      context.strokeStyle = "#facc15";
      context.lineWidth = 0.6;
      context.beginPath();
      context.arc(at.column + 0.5, at.row + 0.5, radius, 0, 7);
      context.stroke();
    }
  }
  function send() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      model.set("drawn", new DataView(mask.slice().buffer));
      model.save_changes();
    }, 150);
  }
  function dab(row, column, value) {
    for (let r = Math.max(0, Math.ceil(row - radius)); r <= Math.min(rows - 1, row + radius); r++)
      for (let c = Math.max(0, Math.ceil(column - radius)); c <= Math.min(columns - 1, column + radius); c++)
        if ((r - row) ** 2 + (c - column) ** 2 <= radius * radius) mask[r * columns + c] = value;
  }
  function place(event) {
    const box = canvas.getBoundingClientRect();
    return {
      row: Math.floor((event.clientY - box.top) * rows / box.height),
      column: Math.floor((event.clientX - box.left) * columns / box.width),
    };
  }
  let last = null;
  function stroke(event) {
    const now = place(event), value = event.shiftKey || (event.buttons & 2) ? 0 : 1;
    const from = last || now;
    const steps = Math.max(1, Math.abs(now.row - from.row), Math.abs(now.column - from.column));
    for (let step = 0; step <= steps; step++)
      dab(from.row + (now.row - from.row) * step / steps,
        from.column + (now.column - from.column) * step / steps, value);
    last = now;
    draw();
  }
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    keyed = false;
    last = null;
    stroke(event);
  };
  canvas.onpointermove = (event) => { if (event.buttons) stroke(event); };
  canvas.onpointerup = () => { last = null; send(); };
  canvas.oncontextmenu = (event) => event.preventDefault();
  canvas.onkeydown = (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (moves[event.key]) {
      at.row = Math.min(rows - 1, Math.max(0, at.row + moves[event.key][0]));
      at.column = Math.min(columns - 1, Math.max(0, at.column + moves[event.key][1]));
    } else if (event.key === " ") { dab(at.row, at.column, 1); send();
    } else if (event.key === "x" || event.key === "X") { dab(at.row, at.column, 0); send();
    } else return;
    keyed = true;
    event.preventDefault();
    event.stopPropagation();
    draw();
  };

  const bar = document.createElement("div");
  bar.style.cssText = "display:flex;gap:14px;align-items:center;margin:8px 0;font-size:13px;color:#334155";
  const brush = document.createElement("input");
  brush.type = "range";
  brush.min = 1;
  brush.max = Math.max(3, Math.round(columns / 12));
  brush.value = radius;
  brush.setAttribute("aria-label", words.brush);
  brush.oninput = () => { radius = Number(brush.value); };
  const button = (text, act) => {
    const made = document.createElement("button");
    made.textContent = text;
    made.style.cssText = "border:1px solid #cbd5e1;background:#fff;border-radius:6px;padding:3px 12px;cursor:pointer";
    made.onclick = act;
    return made;
  };
  const label = document.createElement("label");
  label.append(words.brush + " ", brush);
  bar.append(label, button(words.clear, () => { mask.fill(0); draw(); send(); }),
    button(words.reveal, () => { shown = !shown; draw(); }));
  const told = document.createElement("div");
  told.setAttribute("role", "status");
  told.style.cssText = "font-weight:600;color:#2563eb;font-size:15px;min-height:22px";
  const help = document.createElement("div");
  help.style.cssText = "color:#64748b;font-size:13px";
  help.textContent = words.help;
  const say = () => { told.textContent = model.get("told"); };
  model.on("change:told", say);
  model.on("change:drawn", () => {
    mask.set(bytes(model.get("drawn")));
    draw();
  });
  el.append(canvas, bar, told, help);
  say();
  draw();
}

export default { render };
