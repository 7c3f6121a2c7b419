// One neuron over two numbers: its answer as a shade among the dots and over a picture.
const SIDE = 400, GROUND = [241, 245, 249], FOUND = [254, 205, 211];

function numbers(value, Kind) {
  return new Kind(value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength));
}

function sigmoid(z) {
  return 0.5 * (1 + Math.tanh(z / 2));
}

function softplus(z) {
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
}

function canvasOf(width, height, label, parent) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  canvas.style.cssText = "border-radius:6px;background:#f8fafc;max-width:100%";
  parent.append(canvas);
  return canvas.getContext("2d");
}

function render({ model, el }) {
  const count = model.get("count"), words = model.get("words"), names = model.get("names");
  const dots = numbers(model.get("dots"), Float32Array), truth = numbers(model.get("truth"), Uint8Array);
  const [left, right, low, high] = model.get("frame"), [rows, columns] = model.get("shape");
  const reach = model.get("reach");
  const grey = rows ? numbers(model.get("pictures"), Float32Array) : null;
  let best = Infinity;

  const root = document.createElement("div");
  root.style.cssText = "font:14px/1.5 sans-serif;color:#1e293b;max-width:900px;background:#fff;padding:4px";
  const panes = document.createElement("div");
  panes.style.cssText = "display:flex;gap:24px;flex-wrap:wrap";
  root.append(panes);
  el.append(root);

  function pane(title) {
    const box = document.createElement("div");
    const head = document.createElement("div");
    head.textContent = title;
    head.style.cssText = "font-size:13px;color:#475569;margin-bottom:4px";
    box.append(head);
    panes.append(box);
    return box;
  }
  const plane = canvasOf(SIDE, SIDE, words.plane, pane(words.plane));
  const zoom = rows ? SIDE / Math.max(rows, columns) : 1;
  const painted = rows ? canvasOf(columns, rows, words.painted, pane(words.painted)) : null;
  if (painted) {
    painted.canvas.style.width = `${columns * zoom}px`;
    painted.canvas.style.height = `${rows * zoom}px`;
    painted.canvas.style.imageRendering = "pixelated";
  }

  const across = (value) => ((value - left) / (right - left)) * SIDE;
  const down = (value) => SIDE - ((value - low) / (high - low)) * SIDE;

  function drawPlane([first, second, bias]) {
    const step = 5;
    for (let row = 0; row < SIDE; row += step) {
      for (let column = 0; column < SIDE; column += step) {
        const a = left + ((column + step / 2) / SIDE) * (right - left);
        const b = high - ((row + step / 2) / SIDE) * (high - low);
        const said = sigmoid(first * a + second * b + bias);
        const shade = GROUND.map((value, i) => Math.round(value + said * (FOUND[i] - value)));
        plane.fillStyle = `rgb(${shade})`;
        plane.fillRect(column, row, step, step);
      }
    }
    for (let dot = 0; dot < count; dot++) {
      plane.fillStyle = truth[dot] ? "rgba(225,29,72,.75)" : "rgba(100,116,139,.6)";
      plane.fillRect(across(dots[2 * dot]) - 1.2, down(dots[2 * dot + 1]) - 1.2, 2.4, 2.4);
    }
    plane.strokeStyle = "#0f172a";
    plane.lineWidth = 2;
    plane.beginPath();
    if (Math.abs(second) > 1e-9) {
      plane.moveTo(across(left), down(-(first * left + bias) / second));
      plane.lineTo(across(right), down(-(first * right + bias) / second));
    } else if (Math.abs(first) > 1e-9) {
      plane.moveTo(across(-bias / first), 0);
      plane.lineTo(across(-bias / first), SIDE);
    }
    plane.stroke();
    plane.fillStyle = "#475569";
    plane.font = "13px sans-serif";
    plane.fillText(`${names[0]} →`, SIDE - 60, SIDE - 8);
    plane.fillText(`↑ ${names[1]}`, 8, 18);
  }

  function drawPicture([first, second, bias]) {
    if (!painted) return;
    const image = painted.createImageData(columns, rows), pixels = rows * columns;
    let brightest = 1e-6;
    for (let i = 0; i < pixels; i++) brightest = Math.max(brightest, Math.min(grey[i], 3));
    for (let i = 0; i < pixels; i++) {
      const shade = Math.min(255, Math.max(0, (grey[i] / brightest) * 255));
      // Air says nothing, so nothing is said about it.
      const air = grey[i] < 0.15 && grey[pixels + i] < 0.15;
      const said = air ? 0 : sigmoid(first * grey[i] + second * grey[pixels + i] + bias) * 0.6;
      image.data.set([shade * (1 - said) + 244 * said, shade * (1 - said) + 63 * said,
        shade * (1 - said) + 94 * said, 255], 4 * i);
    }
    painted.putImageData(image, 0, 0);
  }

  function judge([first, second, bias]) {
    let loss = 0, good = 0;
    for (let dot = 0; dot < count; dot++) {
      const z = first * dots[2 * dot] + second * dots[2 * dot + 1] + bias;
      loss += softplus(truth[dot] ? -z : z);
      good += z > 0 === Boolean(truth[dot]) ? 1 : 0;
    }
    return { loss: loss / count, right: good / count };
  }

  const meter = document.createElement("div");
  meter.style.cssText = "margin:10px 0;font-variant-numeric:tabular-nums";
  meter.setAttribute("aria-live", "polite");
  root.append(meter);
  const labels = [words.weight.replace("{}", names[0]), words.weight.replace("{}", names[1]), words.bias];
  const inputs = labels.map((label, place) => {
    const line = document.createElement("label");
    line.style.cssText = "display:grid;grid-template-columns:130px 1fr 70px;gap:10px;max-width:640px";
    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", min: -2 * reach, max: 2 * reach, step: reach / 200 });
    const shown = document.createElement("output");
    line.append(label, slider, shown);
    root.append(line);
    slider.addEventListener("input", () => {
      const values = [...model.get("values")];
      values[place] = Number(slider.value);
      set(values);
    });
    return { slider, shown };
  });

  function bar(name, value, colour) {
    const share = Math.min(100, (value / 1.2) * 100);
    return `<div style="display:grid;grid-template-columns:190px 1fr 60px;gap:10px;max-width:640px">` +
      `<span>${name}</span><span style="background:#f1f5f9;border-radius:4px"><span style="display:block;` +
      `height:14px;margin-top:4px;border-radius:4px;width:${share}%;background:${colour}"></span></span>` +
      `<span>${value.toFixed(3)}</span></div>`;
  }
  function show() {
    const values = model.get("values"), found = judge(values);
    if (values.some((value) => value !== 0)) best = Math.min(best, found.loss);
    inputs.forEach(({ slider, shown }, place) => {
      slider.value = values[place];
      shown.textContent = values[place].toFixed(2);
    });
    meter.innerHTML = bar(words.loss, found.loss, "#2563eb") +
      bar(words.best, Number.isFinite(best) ? best : found.loss, "#059669") +
      bar(words.never, Math.LN2, "#94a3b8") +
      `<div>${words.right}: ${(100 * found.right).toFixed(0)} %</div>`;
    drawPlane(values);
    drawPicture(values);
  }
  function set(values) {
    model.set("values", values.map((value) => Math.max(-2 * reach, Math.min(2 * reach, value))));
    model.save_changes();
  }
  function downhill(times) {
    let values = [...model.get("values")];
    for (let time = 0; time < times; time++) {
      const slope = [0, 0, 0];
      for (let dot = 0; dot < count; dot++) {
        const a = dots[2 * dot], b = dots[2 * dot + 1];
        const wrong = sigmoid(values[0] * a + values[1] * b + values[2]) - truth[dot];
        slope[0] += wrong * a;
        slope[1] += wrong * b;
        slope[2] += wrong;
      }
      values = values.map((value, i) => value - (0.5 * slope[i]) / count);
    }
    set(values);
  }
  const buttons = document.createElement("div");
  buttons.style.cssText = "margin-top:8px;display:flex;gap:8px;flex-wrap:wrap";
  root.append(buttons);
  for (const [text, act] of [[words.step, () => downhill(1)], [words.steps, () => downhill(100)],
    [words.clear, () => { best = Infinity; set([0, 0, 0]); }]]) {
    const button = document.createElement("button");
    button.textContent = text;
    button.style.cssText =
      "padding:4px 12px;border:1px solid #cbd5e1;border-radius:6px;background:#f8fafc;cursor:pointer;color:#1e293b";
    button.addEventListener("click", act);
    buttons.append(button);
  }
  model.on("change:values", show);
  show();
  return () => model.off("change:values", show);
}

export default { render };
