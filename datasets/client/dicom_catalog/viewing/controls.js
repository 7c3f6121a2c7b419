// The bar of buttons, the legends of masks and boxes, the keys and their page of help.

const KEYS = [
  ["arrows_vertical", "↑ ↓"], ["arrows_horizontal", "← →"], ["pages", "PgUp PgDn"], ["ends", "Home End"],
  ["drag", null], ["keys_level", "W S"], ["keys_width", "A D"], ["keys_presets", "1 … 9"],
  ["keys_own", "0"], ["keys_invert", "I"], ["keys_probe", "Shift ↑ ↓ ← →"], ["click", null],
  ["keys_zoom", "+ −"], ["keys_fit", "F"], ["pan", null], ["keys_masks", "M"], ["keys_boxes", "B"],
  ["keys_planes", "P"], ["keys_link", "L"], ["keys_cine", null], ["keys_help", "H"],
];

class Keys {
  constructor(viewer) { this.viewer = viewer; }

  // Runs what a key means; false where it means nothing here and the page may have it.
  run(event, view) {
    const { viewer } = this;
    const { pane } = view;
    const arrows = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (key in arrows && event.shiftKey) return this.probe(view, arrows[key]);
    if (key === "ArrowLeft" || key === "ArrowRight") {
      const by = key === "ArrowLeft" ? -1 : 1;
      return pane.cases > 1 ? viewer.openCase(pane, pane.case + by) : view.step(by);
    }
    const [center, width] = pane.window;
    const moves = {
      ArrowUp: () => view.step(-1), ArrowDown: () => view.step(1),
      PageUp: () => view.step(-10), PageDown: () => view.step(10),
      Home: () => view.go(0), End: () => view.go(view.count - 1),
      w: () => viewer.setWindow(pane, [center + width / 20, width]),
      s: () => viewer.setWindow(pane, [center - width / 20, width]),
      a: () => viewer.setWindow(pane, [center, width / 1.1]),
      d: () => viewer.setWindow(pane, [center, width * 1.1]),
      0: () => viewer.setWindow(pane, [...pane.stack.window]),
      i: () => viewer.invert(pane), "+": () => view.magnify(1.25), "=": () => view.magnify(1.25),
      "-": () => view.magnify(0.8), f: () => view.fit(), m: () => viewer.toggle(pane, "mask"),
      b: () => viewer.toggle(pane, "box"), p: () => viewer.setPlanes(!viewer.planes),
      l: () => viewer.setLinked(!viewer.linked), " ": () => viewer.cine.toggle(view),
      h: () => viewer.help(true), "?": () => viewer.help(true), Escape: () => viewer.help(false),
    };
    if (key in moves) return moves[key]();
    const preset = key >= "1" && key <= "9" && viewer.presets(pane)[Number(key) - 1];
    return preset ? viewer.setWindow(pane, preset.window()) : false;
  }

  press(event, view) {
    if (!view.pane.stack || this.run(event, view) === false) return;
    event.preventDefault();
    event.stopPropagation();
  }

  // The probe by keyboard: what is found is spoken by the live region.
  probe(view, [dx, dy]) {
    const { swap, x, y } = hangOf(view.pane.stack.affine, view.axis);
    const [right, down] = [x ? -dx : dx, y ? -dy : dy];
    const [du, dv] = swap ? [down, right] : [right, down];
    const [u, v] = uvOf(view.axis, view.pane.cursor);
    const [columns, rows] = sizeOf(view.axis, view.pane.stack.shape);
    const at = [clamp(u + du, 0, columns - 1), clamp(v + dv, 0, rows - 1)];
    this.viewer.pinned = true;
    this.viewer.point(view.pane, toIndex(view.axis, view.place, ...at));
    const told = view.probe(at);
    this.viewer.speak(told);
    this.viewer.probed(told);
  }
}

// Plays the planes of a view, with the time from frame to frame that the file names.
class Cine {
  constructor(viewer) { this.viewer = viewer; }

  toggle(view) {
    const stopping = this.view;
    this.view = null;
    if (!stopping && view.count > 1) {
      this.view = view;
      this.last = performance.now();
      requestAnimationFrame((now) => this.tick(now));
    }
    this.viewer.bar();
  }

  tick(now) {
    const { view } = this;
    if (!view || !view.canvas.isConnected) return;
    const step = 1000 * (view.pane.stack.seconds || 1 / 15);
    // It waits for a plane that has not come, instead of skipping over it.
    if (now - this.last >= step - 4 && view.pane.plane(view.axis, view.place)) {
      this.last = now;
      view.go((view.place + 1) % view.count);
    }
    requestAnimationFrame((later) => this.tick(later));
  }
}

function button(text, label, run, classes = "") {
  const made = element("button", `dcv-button ${classes}`, { type: "button", title: label, "aria-label": label });
  made.textContent = text;
  made.addEventListener("click", run);
  return made;
}

class Bar {
  constructor(viewer) {
    const t = viewer.texts;
    this.viewer = viewer;
    this.back = button("‹", t.case_before, () => this.step(-1));
    this.next = button("›", t.case_after, () => this.step(1));
    this.case = element("span", "dcv-case");
    this.presets = element("select", "dcv-select", { "aria-label": t.window, title: t.window });
    this.presets.addEventListener("change", () => this.choose());
    this.invert = button("◐", `${t.keys_invert} (I)`, () => viewer.invert(viewer.active.pane));
    this.planes = button(t.three_planes, `${t.keys_planes} (P)`, () => viewer.setPlanes(!viewer.planes), "dcv-wide");
    this.link = button(t.linked, `${t.keys_link} (L)`, () => viewer.setLinked(!viewer.linked), "dcv-wide");
    this.play = button("▶", t.keys_cine, () => viewer.cine.toggle(viewer.active));
    this.fit = button("⤢", `${t.keys_fit} (F)`, () => viewer.views.forEach((view) => view.fit()));
    this.help = button("?", `${t.keys_help} (H)`, () => viewer.help(true));
    this.root = element("div", "dcv-bar", { role: "toolbar", "aria-label": t.toolbar }, this.back, this.case,
      this.next, this.presets, this.invert, this.planes, this.link, this.play, this.fit,
      element("span", "dcv-space"), this.help);
  }

  step(by) { this.viewer.openCase(this.viewer.active.pane, this.viewer.active.pane.case + by); }

  choose() {
    const { pane } = this.viewer.active;
    const chosen = this.viewer.presets(pane)[this.presets.selectedIndex - 1];
    this.viewer.setWindow(pane, chosen ? chosen.window() : [...pane.stack.window]);
  }

  write() {
    const { viewer } = this;
    const { pane } = viewer.active;
    const t = viewer.texts;
    for (const made of [this.back, this.next, this.case]) made.hidden = pane.cases < 2;
    this.back.disabled = pane.case === 0;
    this.next.disabled = pane.case === pane.cases - 1;
    this.case.textContent = `${pane.case + 1} / ${pane.cases}`;
    this.play.textContent = viewer.cine.view ? "❚❚" : "▶";
    this.link.hidden = viewer.panes.length < 2;
    if (!pane.stack) return;
    const flat = pane.stack.shape[0] < 2;
    this.planes.hidden = flat || pane.stack.colour;
    this.planes.disabled = !!pane.stack.reason;
    if (pane.stack.reason) this.planes.title = pane.stack.reason;
    this.play.hidden = viewer.views.every((view) => view.pane.stack && view.count < 2);
    const pressed = [[this.planes, viewer.planes], [this.link, viewer.linked], [this.invert, pane.invert]];
    for (const [made, on] of pressed) made.setAttribute("aria-pressed", String(!!on));
    const names = [t.own_window, ...viewer.presets(pane).map(({ name }, k) => `${k + 1}  ${t[name] ?? name}`)];
    if (names.join() !== this.names) {
      this.names = names.join();
      this.presets.replaceChildren(...names.map((name) => {
        const option = element("option");
        option.textContent = name;
        return option;
      }));
    }
    this.presets.selectedIndex = 1 + viewer.presets(pane).findIndex((one) => String(one.window()) === String(pane.window));
  }
}

// A row of chips: each mask and box with its colour, switch and opacity.
class Legend {
  constructor(viewer, pane) {
    Object.assign(this, { viewer, pane, root: element("div", "dcv-legend", { role: "group",
      "aria-label": viewer.texts.overlays }) });
  }

  write() {
    const legend = this.pane.stack ? this.pane.legend() : [];
    const key = JSON.stringify(legend.map(({ key, state }) => [key, state.on]));
    if (key === this.key) return;
    this.key = key;
    const focused = this.root.contains(document.activeElement) && document.activeElement.dataset.key;
    this.root.replaceChildren(...legend.map((entry) => this.chip(entry)));
    if (focused) this.root.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  chip({ kind, name, key, number, state }) {
    const { viewer } = this;
    const swatch = element("span", `dcv-swatch dcv-${kind}`, { "aria-hidden": "true" });
    swatch.style.setProperty("--dcv-colour", cssOf(number));
    const label = element("button", "dcv-chip", { type: "button", "aria-pressed": String(state.on), "data-key": key });
    label.append(swatch, name);
    label.addEventListener("click", () => { state.on = !state.on; viewer.changed(); });
    const range = element("input", "dcv-opacity", { type: "range", min: 0, max: 100, step: 5,
      "aria-label": `${viewer.texts.opacity}: ${name}`, title: viewer.texts.opacity });
    range.value = Math.round(state.opacity * 100);
    range.addEventListener("input", () => { state.opacity = Number(range.value) / 100; viewer.redraw(); });
    return element("span", `dcv-entry${state.on ? "" : " dcv-off"}`, {}, label, range);
  }
}

function helpPage(viewer) {
  const t = viewer.texts;
  const rows = KEYS.flatMap(([name, key]) => [
    element("dt", "", {}, element("kbd", "", {}, key ?? t[`${name}_key`])),
    element("dd", "", {}, t[name]),
  ]);
  const close = button("✕", t.close, () => viewer.help(false));
  const page = element("div", "dcv-help", { role: "dialog", "aria-label": t.help, tabindex: "-1" },
    element("div", "dcv-help-head", {}, element("strong", "", {}, t.help), close), element("dl", "", {}, ...rows));
  page.hidden = true;
  page.addEventListener("keydown", (event) => {
    if (!["Escape", "h", "H", "?"].includes(event.key)) return;
    event.stopPropagation();
    viewer.help(false);
  });
  return page;
}
