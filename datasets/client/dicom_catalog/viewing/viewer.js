// The viewer: joins panes, views and controls to the widget's model. The last part of the module.

const SYNC_MS = 150; // a drag or a scroll is told to the kernel once it rests

class Viewer {
  constructor(model, host) {
    Object.assign(this, { model, scene: model.get("scene"), planes: false, linked: true, pinned: false });
    this.texts = this.scene.texts;
    this.id = crypto.getRandomValues(new Uint32Array(1))[0];
    this.views = [];
    this.panes = this.scene.cases.map((_, number) => new Pane(number, this));
    this.panes.forEach((pane, k) => { pane.window = [...(model.get("windows")[k] ?? pane.window)]; });
    this.keys = new Keys(this);
    this.cine = new Cine(this);
    this.controls = new Bar(this);
    this.legends = this.panes.map((pane) => new Legend(this, pane));
    this.grid = element("div", "dcv-grid");
    this.live = element("div", "dcv-live", { "aria-live": "polite" });
    this.page = helpPage(this);
    // Lumino's mark: the page's own shortcuts (JupyterLab's A, B, D, M ...) leave these keys alone.
    this.root = element("div", "dcv-root", { "data-lm-suppress-shortcuts": "true", role: "region",
      "aria-label": this.texts.viewer }, this.controls.root, this.grid, this.page, this.live);
    this.root.style.setProperty("--dcv-size", `${this.scene.size}px`);
    host.append(this.root);
    this.setPlanes(this.scene.planes && this.panes.every((pane) => this.canCut(pane)));
    this.follow();
  }

  // Listens to the kernel and to the page's size; `close` undoes it.
  follow() {
    const heard = (told, buffers) => this.heard(told, buffers ?? []);
    const names = ["cases", "places", "windows"].map((name) => `change:${name}`);
    const obey = () => this.obey();
    this.model.on("msg:custom", heard);
    names.forEach((name) => this.model.on(name, obey));
    const watch = new ResizeObserver(() => this.redraw());
    watch.observe(this.grid);
    this.close = () => {
      this.cine.view = null;
      watch.disconnect();
      this.model.off("msg:custom", heard);
      names.forEach((name) => this.model.off(name, obey));
    };
  }

  send(question) { this.model.send({ ...question, viewer: this.id }); }

  heard(told, buffers) {
    if (told.viewer !== this.id) return;
    this.panes[told.pane].take(told, buffers);
    this.changed(false);
  }

  canCut(pane) { return pane.stack && pane.stack.shape[0] > 1 && !pane.stack.colour && !pane.stack.reason; }

  setPlanes(on) {
    this.planes = on && this.panes.some((pane) => this.canCut(pane));
    this.views = this.panes.flatMap((pane) =>
      (this.planes && this.canCut(pane) ? [0, 1, 2] : [0]).map((axis) => new View(this, pane, axis)));
    const focused = this.grid.contains(document.activeElement);
    this.grid.replaceChildren(...this.panes.map((pane, k) => element("div", "dcv-pane", {},
      element("div", "dcv-views", {}, ...this.views.filter((view) => view.pane === pane).map((view) => view.root)),
      this.legends[k].root)));
    this.active = this.views[0];
    if (focused) this.active.canvas.focus({ preventScroll: true });
    this.changed(false);
  }

  setLinked(on) { this.linked = on; this.point(this.active.pane, this.active.pane.cursor); }

  activate(view) { this.active = view; this.changed(false); }

  openCase(pane, number) {
    if (number < 0 || number >= pane.cases) return;
    pane.forward = number >= pane.case ? 1 : -1;
    pane.refused = "";
    pane.open(number);
    this.changed();
  }

  // Puts a pane's crosshair at an index, and that of linked panes at the same place in the patient.
  point(pane, cursor) {
    const moved = cursor[2] - pane.cursor[2];
    if (moved) pane.forward = Math.sign(moved);
    pane.cursor = cursor;
    for (const other of this.linked ? this.panes : []) if (other !== pane) this.carry(pane, other);
    this.changed();
  }

  carry(pane, other) {
    if (!other.stack) return;
    const [slices, rows, columns] = other.stack.shape;
    let index = pane.cursor;
    if (pane.stack.affine && other.stack.affine)
      index = toVolume(other.stack.affine, toPatient(pane.stack.affine, pane.cursor)).map(Math.round);
    else if (String(pane.stack.shape) !== String(other.stack.shape)) return;
    other.cursor = [clamp(index[0], 0, columns - 1), clamp(index[1], 0, rows - 1), clamp(index[2], 0, slices - 1)];
  }

  crossed(view) { return this.planes || this.pinned || (this.panes.length > 1 && this.linked && this.pinned && view); }

  setWindow(pane, window) { pane.window = window; this.changed(); }

  invert(pane) { pane.invert = !pane.invert; this.changed(); }

  toggle(pane, kind) {
    const some = pane.legend().filter((entry) => entry.kind === kind);
    const on = !some.some(({ state }) => state.on);
    for (const { state } of some) state.on = on;
    this.changed();
  }

  // The modality's windows, then those that are computed from the plane that is seen.
  presets(pane) {
    const fixed = pane.stack.presets.map(({ name, center, width }) => ({ name, window: () => [center, width] }));
    if (pane.stack.colour) return [];
    return [...fixed, { name: "full_range", window: () => this.range(pane, 0) },
      { name: "percentiles", window: () => this.range(pane, 0.02) }];
  }

  range(pane, cut) {
    const plane = pane.plane(0, pane.cursor[2]);
    if (!plane) return pane.window;
    if (plane.ranges?.[cut]) return plane.ranges[cut];
    const step = Math.max(1, Math.floor(plane.values.length / 50000));
    const some = plane.values.filter((value, k) => (cut === 0 || k % step === 0) && !Number.isNaN(value)).sort();
    const at = (part) => some[Math.round(part * (some.length - 1))] * plane.slope + plane.intercept;
    const [low, high] = [at(cut), at(1 - cut)];
    plane.ranges = { ...plane.ranges, [cut]: [(low + high) / 2, Math.max(high - low, 1e-6)] };
    return plane.ranges[cut];
  }

  // A probe as one line of text.
  told({ value, unit, mm, index, names }) {
    const shown = Array.isArray(value) ? value.join(" ") : `${short(value)} ${unit}`.trim();
    const where = mm ? `${mm.map((n) => n.toFixed(1)).join(", ")} mm` : `${index.join(", ")}`;
    return [shown, where, ...names].join("\n");
  }

  speak(told) { if (told) this.live.textContent = this.told(told).replaceAll("\n", ", "); }

  probed(told) {
    if (!told || JSON.stringify(told) === JSON.stringify(this.last)) return;
    this.last = told;
    this.tell();
  }

  help(open) {
    this.page.hidden = !open;
    if (open) this.page.querySelector("button").focus();
    else this.active.canvas.focus({ preventScroll: true });
  }

  bar() { this.controls.write(); }

  changed(ours = true) {
    this.bar();
    this.legends.forEach((legend) => legend.write());
    this.panes.forEach((pane) => pane.ask());
    this.redraw();
    if (ours) this.tell();
  }

  redraw() {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      this.views.forEach((view) => view.draw());
    });
  }

  // Tells the kernel where we are, once it rests.
  tell() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const now = { cases: this.panes.map((pane) => pane.case), windows: this.panes.map((pane) => pane.window),
        places: this.panes.map((pane) => pane.cursor[2]), probe: this.last ?? {} };
      for (const [name, value] of Object.entries(now))
        if (JSON.stringify(this.model.get(name)) !== JSON.stringify(value)) this.model.set(name, value);
      this.model.save_changes();
    }, SYNC_MS);
  }

  // Goes where the kernel says: viewer.places = [40].
  obey() {
    this.panes.forEach((pane, k) => {
      const [number, place, window] = ["cases", "places", "windows"].map((name) => this.model.get(name)[k]);
      if (number !== undefined && number !== pane.case && number >= 0 && number < pane.cases) pane.open(number);
      if (!pane.stack) return;
      if (window && String(window) !== String(pane.window)) pane.window = [...window];
      if (place !== undefined) pane.cursor = [pane.cursor[0], pane.cursor[1], clamp(place, 0, pane.stack.shape[0] - 1)];
    });
    this.changed(false);
  }
}

function render({ model, el }) {
  const viewer = new Viewer(model, el);
  return () => viewer.close();
}

export default { render };
