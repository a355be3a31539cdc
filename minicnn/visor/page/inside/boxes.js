// The outlines on the maps when a number is chosen.

const box = (row, column, rows, columns, kind, channel) => ({ row, column, rows, columns, kind, channel });

/**
 * The boxes on the maps of each layer (−1: the image): the chosen number, its input window, the
 * windows that contain it, and their maximum. channel null: on all maps of the layer.
 */
export function boxes(number, layers, imageShape) {
  const found = new Map();
  if (!number) return found;
  const add = (layer, ...more) => found.set(layer, [...(found.get(layer) ?? []), ...more]);
  const shapeOf = (layer) => (layer < 0 ? imageShape : layers[layer].shape);
  add(number.layer, pixel(number.place, shapeOf(number.layer), "chosen"));
  const { convolution: n, pooling: p, source, dense, layer, place } = number;
  const win = layers[layer].window;
  if (n) add(layer - 1, box(n.top, n.left, 1 + (win.KH - 1) * win.DH, 1 + (win.KW - 1) * win.DW, "window", null));
  if (p) add(layer - 1, ...pooled(p, place[2]));
  if (source) add(source.layer, pixel(source.place, shapeOf(source.layer), "window"));
  for (const term of dense?.terms ?? []) add(term.origin.layer, pixel(term.origin.place, shapeOf(term.origin.layer), "window"));
  for (const window of number.pooled ?? []) {
    add(layer, ...pooled(window, place[2]));
    add(layer + 1, box(window.row, window.column, 1, 1, "window", place[2]));
  }
  return found;
}

function pooled(p, channel) {
  const whole = box(p.top, p.left, p.values.length, p.values[0].length, "window", channel);
  return p.argmax ? [whole, box(p.top + p.argmax[0], p.left + p.argmax[1], 1, 1, "winner", channel)] : [whole];
}

function pixel(place, shape, kind) {
  if (place.length === 3) return box(place[0], place[1], 1, 1, kind, place[2]);
  const count = shape.reduce((product, size) => product * size, 1);
  const width = count <= 16 ? count : Math.ceil(Math.sqrt(count));
  return box(Math.floor(place[0] / width), place[0] % width, 1, 1, kind, 0);
}
