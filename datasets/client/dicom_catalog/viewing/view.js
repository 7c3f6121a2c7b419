// One plane on the page: canvas, texts in its corners, slider; pointer and keys.

const DRAG_PIXELS = 220; // across which a drag changes the window by its own width
const CLICK_PIXELS = 3;

function element(tag, classes, attributes = {}, ...children) {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const short = (value) =>
  Number.isInteger(value) ? String(value) : Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);

class View {
  constructor(viewer, pane, axis) {
    Object.assign(this, { viewer, pane, axis, zoom: 1, pan: [0, 0], painted: 0 });
    this.painter = new Painter();
    this.canvas = element("canvas", "dcv-canvas", { tabindex: "0", role: "application" });
    this.context = this.canvas.getContext("2d");
    this.corners = Object.fromEntries(
      ["tl", "tr", "bl", "br", "left", "right", "top", "bottom"].map((place) =>
        [place, element("div", `dcv-text dcv-${place}`, { "aria-hidden": "true" })]));
    this.slider = element("input", "dcv-slider", { type: "range", min: 0, step: 1 });
    this.stage = element("div", "dcv-stage", {}, this.canvas, ...Object.values(this.corners));
    this.root = element("div", "dcv-view", {}, this.stage, this.slider);
    this.listen();
  }

  get place() { return placeOf(this.axis, this.pane.cursor); }
  get count() { return countOf(this.axis, this.pane.stack.shape); }

  listen() {
    const { canvas, slider, viewer } = this;
    slider.addEventListener("input", () => this.go(Number(slider.value)));
    canvas.addEventListener("focus", () => viewer.activate(this));
    canvas.addEventListener("keydown", (event) => viewer.keys.press(event, this));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.release(event));
    canvas.addEventListener("pointerleave", () => { this.hover = null; viewer.redraw(); });
    canvas.addEventListener("dblclick", () => this.fit());
  }

  // Moves to a plane along the axis.
  go(place) {
    const cursor = [...this.pane.cursor];
    cursor[2 - this.axis] = clamp(Math.round(place), 0, this.count - 1);
    this.viewer.point(this.pane, cursor);
  }

  step(by) {
    if (this.count > 1) this.go(this.place + by);
    else this.viewer.openCase(this.pane, this.pane.case + by);
  }

  fit() { this.zoom = 1; this.pan = [0, 0]; this.viewer.redraw(); }

  magnify(factor) { this.zoom = clamp(this.zoom * factor, 1, 32); this.viewer.redraw(); }

  wheel(event) {
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) return this.magnify(Math.exp(-event.deltaY / 300));
    // A mouse's notch is one plane; a trackpad's small steps are added up.
    this.turned = (this.turned ?? 0) + (event.deltaMode ? event.deltaY * 40 : event.deltaY);
    const steps = Math.abs(event.deltaY) >= 50 ? Math.sign(event.deltaY) : Math.trunc(this.turned / 25);
    if (steps) { this.turned = 0; this.step(steps); }
  }

  press(event) {
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.drag = { x: event.clientX, y: event.clientY, window: [...this.pane.window], pan: [...this.pan],
      panning: event.button !== 0 || event.shiftKey, moved: false };
  }

  move(event) {
    const { drag, pane } = this;
    this.hover = this.pixelAt(event);
    if (drag) {
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      if (Math.hypot(dx, dy) > CLICK_PIXELS) drag.moved = true;
      if (drag.panning) this.pan = [drag.pan[0] + dx, drag.pan[1] + dy];
      else if (drag.moved) {
        const [center, width] = drag.window;
        const step = width / DRAG_PIXELS;
        pane.window = [center + dy * step, Math.max(width * 1e-3, width + dx * step)];
        this.viewer.changed();
      }
    }
    this.viewer.redraw();
  }

  release() {
    const clicked = this.drag && !this.drag.moved && !this.drag.panning;
    this.drag = null;
    if (!clicked || !this.hover) return;
    this.viewer.pinned = true;
    this.viewer.point(this.pane, toIndex(this.axis, this.place, ...this.hover));
    this.viewer.speak(this.probe(this.hover));
  }

  // How the plane lies on the canvas: the matrix from [u, v] to CSS pixels, as canvas has it.
  layout() {
    const [columns, rows] = sizeOf(this.axis, this.pane.stack.shape);
    const plane = this.plane ?? { rows, columns };
    const [du, dv] = stepOf(this.axis, this.pane.stack.spacing);
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    const { swap, x, y } = hangOf(this.pane.stack.affine, this.axis);
    const [along, down] = swap ? [plane.rows * dv, plane.columns * du] : [plane.columns * du, plane.rows * dv];
    const scale = Math.min(width / along, height / down) * this.zoom;
    const left = (width - along * scale) / 2 + this.pan[0] + (x ? along * scale : 0);
    const top = (height - down * scale) / 2 + this.pan[1] + (y ? down * scale : 0);
    const [right, below] = [x ? -scale : scale, y ? -scale : scale];
    const matrix = swap ? [0, du * below, dv * right, 0, left, top] : [du * right, 0, 0, dv * below, left, top];
    return { matrix, step: scale * Math.min(du, dv), columns: plane.columns, rows: plane.rows };
  }

  // The pixel [u, v] under the pointer, or null beside the picture.
  pixelAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const { matrix: [a, b, c, d, left, top], columns, rows } = this.layout();
    const [x, y] = [event.clientX - box.left - left, event.clientY - box.top - top];
    const all = a * d - b * c;
    const [u, v] = [Math.floor((d * x - c * y) / all), Math.floor((a * y - b * x) / all)];
    return u >= 0 && v >= 0 && u < columns && v < rows ? [u, v] : null;
  }

  // What is at a pixel: value with unit, millimetres, the names of what is marked there.
  probe([u, v]) {
    const { plane, pane, axis, place } = this;
    if (!plane || u >= plane.columns || v >= plane.rows) return null;
    const k = v * plane.columns + u;
    const value = plane.colour
      ? [...plane.values.slice(3 * k, 3 * k + 3)]
      : plane.values[k] * plane.slope + plane.intercept;
    const index = toIndex(axis, place, u, v);
    const names = pane.legend().filter(({ kind, bit, name }) => kind === "mask"
      ? plane.marks && plane.marks[k] & (1 << bit)
      : this.boxes().some((box) => box.name === name && u >= box.left - 0.5 && u < box.right &&
        v >= box.top - 0.5 && v < box.bottom)).map(({ name }) => name);
    return { value, unit: pane.stack.unit, index: [index[2], index[1], index[0]], names,
      mm: pane.stack.affine ? toPatient(pane.stack.affine, index).map((n) => Math.round(n * 10) / 10) : null };
  }

  // The boxes that this plane cuts, as rectangles of it.
  boxes() {
    const found = (this.pane.overlays.get(this.pane.case)?.boxes ?? []);
    const { axis, place } = this;
    if (axis === 0) return found.filter((box) => box.first <= place && place <= box.last);
    return found.filter((box) => {
      const [low, high] = axis === 1 ? [box.top, box.bottom] : [box.left, box.right];
      return low <= place + 0.5 && place + 0.5 <= high;
    }).map((box) => ({ name: box.name, top: box.first, bottom: box.last + 1,
      left: axis === 1 ? box.left : box.top, right: axis === 1 ? box.right : box.bottom }));
  }

  draw() {
    const { pane, canvas, context, viewer } = this;
    const found = pane.stack && pane.plane(this.axis, this.place);
    // The plane before stays until the next has come: black between two would flicker.
    if (found) this.plane = found;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    this.stage.classList.toggle("dcv-waiting", !found);
    if (!pane.stack || !this.plane) return this.write();
    const legend = pane.legend().filter(({ state }) => state.on);
    const masks = legend.filter(({ kind }) => kind === "mask")
      .map(({ bit, number, state }) => ({ bit, opacity: state.opacity, colour: colourOf(number) }));
    const place = this.layout();
    const picture = this.picture(masks);
    context.save();
    context.transform(...place.matrix);
    context.imageSmoothingEnabled = place.step < 6;
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0);
    context.restore();
    this.drawBoxes(place, legend.filter(({ kind }) => kind === "box"));
    if (viewer.crossed(this)) this.drawCross(place);
    this.write();
    if (found) this.count_paint();
  }

  // Painted again only where plane, window or overlays are others than last time.
  picture(masks) {
    const { stack, window, invert } = this.pane;
    const look = { center: window[0], width: window[1], fn: stack.function,
      inverted: stack.inverted !== invert };
    const key = JSON.stringify([look, masks]);
    if (key !== this.key || this.drawn !== this.plane) this.painter.paint(this.plane, look, masks);
    [this.key, this.drawn] = [key, this.plane];
    return this.painter.canvas;
  }

  count_paint() {
    const now = `${this.pane.case}/${this.place}`;
    if (now !== this.canvas.dataset.painted) this.painted += 1;
    this.canvas.dataset.painted = now;
    this.canvas.dataset.frames = this.painted;
  }

  onCanvas({ matrix: [a, b, c, d, left, top] }, u, v) { return [a * u + c * v + left, b * u + d * v + top]; }

  drawBoxes(place, legend) {
    const { context } = this;
    context.lineWidth = 1.5;
    context.font = "600 11px system-ui, sans-serif";
    for (const { name, number, state } of legend)
      for (const box of this.boxes().filter((one) => one.name === name)) {
        const [x1, y1] = this.onCanvas(place, box.left, box.top);
        const [x2, y2] = this.onCanvas(place, box.right, box.bottom);
        const [left, top] = [Math.min(x1, x2), Math.min(y1, y2)];
        context.globalAlpha = state.opacity;
        context.strokeStyle = context.fillStyle = cssOf(number);
        context.strokeRect(left, top, Math.abs(x2 - x1), Math.abs(y2 - y1));
        context.shadowColor = "#000";
        context.shadowBlur = 3;
        context.fillText(name, left, top > 16 ? top - 5 : Math.max(y1, y2) + 13);
        context.shadowBlur = 0;
      }
    context.globalAlpha = 1;
  }

  drawCross(place) {
    const { context, canvas } = this;
    const [u, v] = uvOf(this.axis, this.pane.cursor);
    const [x, y] = this.onCanvas(place, u + 0.5, v + 0.5).map((n) => Math.round(n) + 0.5);
    context.strokeStyle = "rgba(90, 200, 250, 0.75)";
    context.lineWidth = 1;
    context.beginPath();
    for (const [x1, y1, x2, y2] of [[0, y, x - 9, y], [x + 9, y, canvas.clientWidth, y],
      [x, 0, x, y - 9], [x, y + 9, x, canvas.clientHeight]]) {
      context.moveTo(x1, y1);
      context.lineTo(x2, y2);
    }
    context.stroke();
  }

  // The texts in the corners, the slider, and what a screen reader says of the canvas.
  write() {
    const { pane, corners, viewer, slider } = this;
    const t = viewer.texts;
    if (!pane.stack) return this.say("tl", pane.refused || t.loading);
    const { affine, colour, title } = pane.stack;
    const name = t[nameOf(affine, this.axis)];
    const told = this.hover ? this.probe(this.hover)
      : viewer.pinned && viewer.active === this ? this.probe(uvOf(this.axis, pane.cursor)) : null;
    this.say("tl", pane.refused || (viewer.views.length > viewer.panes.length && this.axis ? "" : title));
    this.say("tr", told ? viewer.told(told) : "");
    this.say("bl", this.count > 1 ? `${name} ${this.place + 1}/${this.count}` : "");
    this.say("br", colour ? "" : `${t.level} ${short(pane.window[0])}  ${t.width} ${short(pane.window[1])}`);
    const edges = edgesOf(affine, this.axis);
    for (const side of ["left", "right", "top", "bottom"]) this.say(side, edges ? edges[side] : "");
    corners.tl.classList.toggle("dcv-refused", !!pane.refused);
    slider.hidden = this.count < 2;
    slider.max = this.count - 1;
    slider.value = this.place;
    slider.setAttribute("aria-label", `${t.slice}, ${name}`);
    this.canvas.setAttribute("aria-label",
      `${title || t.picture}. ${name} ${this.place + 1}/${this.count}. ${t.for_keys}`);
    if (told && this.hover) viewer.probed(told);
  }

  say(place, text) {
    if (this.corners[place].textContent !== text) this.corners[place].textContent = text;
  }
}
