// From stored values to pixels on a canvas: window and level by a table, masks laid over.

// Okabe and Ito's colours and their like, bright enough on grey; still.py has the same.
const COLOURS = [[255, 176, 0], [86, 180, 233], [255, 92, 138], [61, 220, 151], [199, 146, 234],
  [240, 228, 66], [255, 133, 82], [127, 219, 255]];
const colourOf = (number) => COLOURS[number % COLOURS.length];
const cssOf = (number) => `rgb(${colourOf(number).join(",")})`;

const ARRAYS = { int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array,
  int32: Int32Array, uint32: Uint32Array, float32: Float32Array };

// The values of a buffer; copied only where it does not begin on a whole number of elements.
function typed(name, view) {
  const kind = ARRAYS[name];
  const { buffer, byteOffset, byteLength } = view;
  return byteOffset % kind.BYTES_PER_ELEMENT === 0
    ? new kind(buffer, byteOffset, byteLength / kind.BYTES_PER_ELEMENT)
    : new kind(buffer.slice(byteOffset, byteOffset + byteLength));
}

// The three functions of PS3.3 C.11.2.1.2 and C.11.2.1.3, to 0..255.
function greyOf(value, { center, width, fn, inverted }) {
  let grey;
  if (fn === "SIGMOID") grey = 1 / (1 + Math.exp((-4 * (value - center)) / width));
  else if (fn === "LINEAR_EXACT") grey = (value - center) / width + 0.5;
  else if (width <= 1) grey = value > center - 0.5 ? 1 : 0;
  else grey = (value - (center - 0.5)) / (width - 1) + 0.5;
  if (!(grey > 0)) grey = 0; // NaN is black, too
  else if (grey > 1) grey = 1;
  return Math.round((inverted ? 1 - grey : grey) * 255);
}

// A grey for each stored value of 8 or 16 bits, kept until the window changes.
class Table {
  of(plane, look) {
    const bits = plane.values.BYTES_PER_ELEMENT * 8;
    const signed = plane.type.startsWith("int");
    const key = [bits, signed, plane.slope, plane.intercept, ...Object.values(look)].join();
    if (key === this.key) return this.greys;
    const count = 1 << bits;
    this.greys = new Uint8Array(count);
    for (let k = 0; k < count; k++) {
      const stored = signed && k >= count / 2 ? k - count : k;
      this.greys[k] = greyOf(stored * plane.slope + plane.intercept, look);
    }
    this.key = key;
    return this.greys;
  }
}

class Painter {
  constructor() {
    this.table = new Table();
    this.canvas = document.createElement("canvas");
    this.context = this.canvas.getContext("2d");
  }

  // The plane as a canvas of one pixel a value.
  paint(plane, look, shown) {
    const { rows, columns } = plane;
    if (this.canvas.width !== columns || this.canvas.height !== rows || !this.image) {
      this.canvas.width = columns;
      this.canvas.height = rows;
      this.image = this.context.createImageData(columns, rows);
    }
    const pixels = new Uint32Array(this.image.data.buffer);
    if (plane.colour) this.colours(plane, look, pixels);
    else if (plane.values.BYTES_PER_ELEMENT <= 2) this.greys(plane, look, pixels);
    else this.wide(plane, look, pixels);
    if (plane.marks && shown.length) overlay(plane, pixels, shown);
    this.context.putImageData(this.image, 0, 0);
    return this.canvas;
  }

  greys(plane, look, pixels) {
    const table = this.table.of(plane, look);
    const mask = table.length - 1;
    const { values } = plane;
    for (let k = 0; k < pixels.length; k++) pixels[k] = 0xff000000 | (table[values[k] & mask] * 0x10101);
  }

  wide(plane, look, pixels) {
    const { values, slope, intercept } = plane;
    for (let k = 0; k < pixels.length; k++)
      pixels[k] = 0xff000000 | (greyOf(values[k] * slope + intercept, look) * 0x10101);
  }

  colours(plane, look, pixels) {
    const table = this.table.of(plane, look);
    const { values } = plane;
    for (let k = 0, i = 0; k < pixels.length; k++, i += 3)
      pixels[k] = 0xff000000 | (table[values[i + 2]] << 16) | (table[values[i + 1]] << 8) | table[values[i]];
  }
}

// Mixes the masks' colours in; an edge, next to a pixel without the mask, is nearly solid.
function overlay(plane, pixels, shown) {
  const { marks, rows, columns } = plane;
  for (const { bit, opacity, colour } of shown) {
    if (opacity === 0) continue;
    const flag = 1 << bit;
    const [edge, inner] = [Math.min(1, opacity + 0.5), opacity];
    for (let y = 0, k = 0; y < rows; y++)
      for (let x = 0; x < columns; x++, k++) {
        if (!(marks[k] & flag)) continue;
        const within = x > 0 && x < columns - 1 && y > 0 && y < rows - 1 && marks[k - 1] & flag &&
          marks[k + 1] & flag && marks[k - columns] & flag && marks[k + columns] & flag;
        pixels[k] = mixed(pixels[k], colour, within ? inner : edge);
      }
  }
}

function mixed(pixel, [red, green, blue], part) {
  const mix = (under, over) => Math.round(under + (over - under) * part);
  return (0xff000000 | (mix((pixel >> 16) & 255, blue) << 16) | (mix((pixel >> 8) & 255, green) << 8) |
    mix(pixel & 255, red)) >>> 0;
}
