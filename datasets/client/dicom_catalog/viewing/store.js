// What a pane knows: its cases, the planes that came from the kernel, and what to ask for next.
//
// One question is under way at a time: what is seen first, then its neighbours in the direction of
// scrolling, then the rest outwards, until the pane holds CACHE_BYTES. The oldest go first.

const CACHE_BYTES = 192 * 2 ** 20;
const BATCH_BYTES = 4 * 2 ** 20; // an answer costs the kernel and the page about as much as 1 MB
const CASES_AHEAD = 3;

class Pane {
  constructor(number, viewer) {
    const { scene, model } = viewer;
    this.number = number;
    this.viewer = viewer;
    this.cases = scene.cases[number];
    this.case = 0;
    this.stacks = new Map([[0, scene.stacks[number]]]);
    this.overlays = new Map(); // of each case: {masks, boxes}
    this.planes = new Map();
    this.bytes = 0;
    this.waiting = false;
    this.forward = 1;
    this.shown = new Map(); // of each overlay's key: {on, opacity}
    this.invert = false;
    this.refused = "";
    this.open(0);
    const [head] = [model.get("first")[number]];
    if (head) this.keep(0, 0, model.get("places")[number], head, head.data, null, false);
  }

  get stack() { return this.stacks.get(this.case); }
  get marked() { return this.overlays.get(this.case)?.masks.length > 0; }

  // Begins a case in its middle, with its own window.
  open(number) {
    const before = this.stack;
    this.case = number;
    if (!this.stack) return;
    const [slices, rows, columns] = this.stack.shape;
    if (!this.cursor || !before || String(before.shape) !== String(this.stack.shape))
      this.cursor = [(columns - 1) >> 1, (rows - 1) >> 1, slices >> 1];
    this.window = [...this.stack.window];
    this.invert = false;
  }

  plane(axis, place) { return this.planes.get(`${this.case}/${axis}/${place}`); }

  complete(plane) { return plane && (plane.asked || !this.marked); }

  keep(number, axis, place, head, values, marks, asked) {
    const key = `${number}/${axis}/${place}`;
    const old = this.planes.get(key);
    if (old) { this.bytes -= old.bytes; this.planes.delete(key); }
    const array = typed(head.type, values);
    const plane = { ...head, values: array, marks: marks && typed(head.marks, marks), asked,
      colour: array.length === 3 * head.rows * head.columns,
      bytes: values.byteLength + (marks?.byteLength ?? 0) };
    this.planes.set(key, plane);
    this.bytes += plane.bytes;
    for (const [oldest, { bytes }] of this.planes) {
      if (this.bytes <= CACHE_BYTES) break;
      this.planes.delete(oldest);
      this.bytes -= bytes;
    }
  }

  // Asks for the next thing that is missing, if nothing is under way.
  ask() {
    if (this.waiting) return;
    const question = this.next();
    if (!question) return;
    this.waiting = true;
    this.viewer.send({ ...question, pane: this.number });
  }

  next() {
    if (!this.stack) return { kind: "case", case: this.case };
    const views = this.viewer.views.filter((view) => view.pane === this);
    for (const { axis } of views) {
      const place = placeOf(axis, this.cursor);
      if (!this.plane(axis, place)) return this.planesOf(axis, [place, ...this.near(axis).slice(0, 3)]);
    }
    if (!this.overlays.has(this.case)) return { kind: "overlays", case: this.case };
    for (const { axis } of views) {
      const place = placeOf(axis, this.cursor);
      if (!this.complete(this.plane(axis, place))) return this.planesOf(axis, [place]);
    }
    return this.ahead(views) ?? this.casesAhead();
  }

  planesOf(axis, places) {
    return { kind: "planes", case: this.case, axis, places, marks: !!this.marked };
  }

  // The nearest missing planes along an axis, those ahead before those behind, a batch of them.
  near(axis) {
    const here = placeOf(axis, this.cursor);
    const count = countOf(axis, this.stack.shape);
    const most = clamp(Math.floor(BATCH_BYTES / (this.plane(axis, here)?.bytes ?? 2 ** 20)), 1, 32);
    const places = [];
    for (let far = 1; far < count && places.length < most; far++)
      for (const place of [here + far * this.forward, here - far * this.forward])
        if (place >= 0 && place < count && !this.complete(this.plane(axis, place))) places.push(place);
    return places.slice(0, most);
  }

  ahead(views) {
    if (this.bytes > CACHE_BYTES * 0.9) return null;
    for (const { axis } of views) {
      const places = this.near(axis);
      if (places.length) return this.planesOf(axis, places);
    }
    return null;
  }

  casesAhead() {
    for (const far of [1, -1, 2, 3].slice(0, CASES_AHEAD + 1)) {
      const number = this.case + far * this.forward;
      if (number >= 0 && number < this.cases && !this.stacks.has(number))
        return { kind: "case", case: number };
    }
    return null;
  }

  // Takes an answer in.
  take(told, buffers) {
    this.waiting = false;
    if (told.refused !== undefined) {
      this.refused = told.refused;
      return;
    }
    this.refused = "";
    if (told.kind === "overlays") this.overlays.set(told.case, told.overlays);
    if (told.kind === "case") {
      this.stacks.set(told.case, told.stack);
      if (told.case === this.case) this.open(told.case);
    }
    let next = 0;
    (told.planes ?? []).forEach((head, k) => {
      const values = buffers[next++];
      const marks = head.marks ? buffers[next++] : null;
      this.keep(told.case, told.axis, told.places[k], head, values, marks, !!told.marks);
    });
  }

  // The masks and boxes that can be switched, each with its colour.
  legend() {
    const { masks = [], boxes = [] } = this.overlays.get(this.case) ?? {};
    const names = [...new Set(boxes.map((box) => box.name))];
    const all = [...new Set([...masks, ...names])]; // a mask and a box of one name share a colour
    const entry = (kind, name, number, bit) => {
      const key = `${kind}:${name}`;
      const on = this.viewer.scene.marks !== false;
      if (!this.shown.has(key)) this.shown.set(key, { on, opacity: kind === "mask" ? 0.3 : 1 });
      return { kind, name, key, number, bit, state: this.shown.get(key) };
    };
    return [...masks.map((name, k) => entry("mask", name, k, k)),
      ...names.map((name) => entry("box", name, all.indexOf(name), null))];
  }
}
