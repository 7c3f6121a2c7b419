// Where a pixel of a plane lies in the volume and in the patient. Pure functions.
//
// An index is [column, row, slice], whole numbers at the centres of pixels; an affine is 16 numbers
// by rows, to mm in LPS. A plane is cut along an axis: 0 a slice, 1 a row, 2 a column of every slice.
// Within a plane u runs along its lines and v from line to line.

const toIndex = (axis, place, u, v) =>
  axis === 0 ? [u, v, place] : axis === 1 ? [u, place, v] : [place, u, v];
const placeOf = (axis, [c, r, s]) => (axis === 0 ? s : axis === 1 ? r : c);
const uvOf = (axis, [c, r, s]) => (axis === 0 ? [c, r] : axis === 1 ? [c, s] : [r, s]);
const countOf = (axis, shape) => shape[axis];
const sizeOf = (axis, [slices, rows, columns]) =>
  axis === 0 ? [columns, rows] : axis === 1 ? [columns, slices] : [rows, slices];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// Millimetres of a pixel along u and v; square where nobody knows.
function stepOf(axis, spacing) {
  const [slice, row, column] = spacing ?? [1, 1, 1];
  return axis === 0 ? [column, row] : axis === 1 ? [column, slice] : [row, slice];
}

function toPatient(affine, [c, r, s]) {
  return [0, 4, 8].map((k) => affine[k] * c + affine[k + 1] * r + affine[k + 2] * s + affine[k + 3]);
}

// The index at a point in mm: Cramer's rule on the affine's three columns.
function toVolume(affine, point) {
  const column = (k) => [affine[k], affine[4 + k], affine[8 + k]];
  const [a, b, c] = [column(0), column(1), column(2)];
  const d = [0, 1, 2].map((k) => point[k] - affine[4 * k + 3]);
  const cross = (p, q) => [
    p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0],
  ];
  const dot = (p, q) => p[0] * q[0] + p[1] * q[1] + p[2] * q[2];
  const volume = dot(a, cross(b, c));
  return [dot(d, cross(b, c)) / volume, dot(a, cross(d, c)) / volume, dot(a, cross(b, d)) / volume];
}

// Directions in the patient in which u, v and the place of a plane grow.
function directionsOf(affine, axis) {
  const along = (k) => [affine[k], affine[4 + k], affine[8 + k]];
  const [c, r, s] = [along(0), along(1), along(2)];
  return axis === 0 ? [c, r, s] : axis === 1 ? [c, s, r] : [r, s, c];
}

function mainOf(direction) {
  const sizes = direction.map(Math.abs);
  return sizes.indexOf(Math.max(...sizes));
}

const LETTERS = [["R", "L"], ["A", "P"], ["F", "H"]]; // of -x, +x; -y, +y; -z, +z in LPS
const letterOf = (direction) => LETTERS[mainOf(direction)][+(direction[mainOf(direction)] > 0)];
const opposite = (letter) => LETTERS.flatMap((p) => (p.includes(letter) ? p.filter((l) => l !== letter) : []))[0];

// The plane's name by the way it faces: texts.json has one for each.
function nameOf(affine, axis) {
  if (!affine) return ["plane_slices", "plane_rows", "plane_columns"][axis];
  return ["sagittal", "coronal", "axial"][mainOf(directionsOf(affine, axis)[2])];
}

// Slices stay as they were taken; the planes cut across them are turned as radiology hangs them:
// head up or the face up, the patient's left at the right, the face at the left.
// swap: v runs from left to right and u downwards; x, y: turned round along that direction.
function hangOf(affine, axis) {
  if (!affine || axis === 0) return { swap: false, x: false, y: false };
  const [u, v] = directionsOf(affine, axis).map(letterOf);
  const upright = (letter) => "HF".includes(letter);
  const swap = upright(u) || (!upright(v) && "RL".includes(v));
  const [right, down] = swap ? [v, u] : [u, v];
  return { swap, x: "RA".includes(right), y: "HA".includes(down) };
}

// The letters at the edges of a view: left, right, top, bottom.
function edgesOf(affine, axis) {
  if (!affine) return null;
  const { swap, x, y } = hangOf(affine, axis);
  const [u, v] = directionsOf(affine, axis).map(letterOf);
  const [along, down] = swap ? [v, u] : [u, v];
  const [right, bottom] = [x ? opposite(along) : along, y ? opposite(down) : down];
  return { left: opposite(right), right, top: opposite(bottom), bottom };
}
