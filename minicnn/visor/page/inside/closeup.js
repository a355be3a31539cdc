// Enlarged maps around the chosen number: the layer's input, its own map, the pooled map.
import { make } from "../dom.js";
import { canvas, paintSigned } from "../pixels.js";
import { boxes } from "./boxes.js";
import { makeMap, mostOf } from "./map.js";
import { isImage } from "./places.js";
import { filterPicture, layout, plane, shownOf } from "./values.js";

const SCREEN = 210; // pixels, at most

/** The pictures for a chosen number, as elements; on.pick(layer, unit) and on.move as in network.js. */
export function closeup(view, channel, on) {
  const { number, answer } = view, { layers } = answer;
  const shapeOf = (layer) => (layer < 0 ? layers[0].input_shape : layers[layer].shape);
  if (number.dense) return [products(view)];
  if (!isImage(shapeOf(number.layer))) return [];
  const own = number.place[2], marked = boxes(number, layers, shapeOf(-1));
  const wanted = [[number.layer - 1, number.convolution ? channel : own], [number.layer, own]];
  if (number.pooled?.length) wanted.push([number.layer + 1, own]);
  return wanted.filter(([layer]) => isImage(shapeOf(layer))).map(([layer, k]) => {
    const [height, width, channels] = shapeOf(layer);
    const shown = layer < 0
      ? { values: view.way === "forward" ? Float32Array.from(view.image) : answer.gradient, symbol: view.way === "forward" ? "x" : "∂L/∂x" }
      : shownOf(layers[layer], view.way, view.showsZ);
    const name = layer < 0 ? "Image" : `${layers[layer].name}, channel ${k}`;
    const unit = (row, column) => (row * width + column) * channels + k;
    const map = makeMap({
      height, width, scale: Math.max(3, Math.floor(SCREEN / width)), label: `${name}, large`,
      on: {
        pick: (row, column) => layer < 0 || on.pick(layer, unit(row, column)),
        move: (row, column, byKey) => on.move(layer, unit(row, column), byKey),
      },
    });
    map.element.classList.add("large");
    map.element.tabIndex = 0;
    const marks = (marked.get(layer) ?? []).filter((mark) => mark.channel === null || mark.channel === k);
    const chosen = marks.find((mark) => mark.kind === "chosen");
    if (chosen) map.cursor = [chosen.row, chosen.column];
    const most = layer < 0 && view.way === "forward" ? 1 : mostOf(shown.values);
    map.paint(plane(shown.values, channels, k), view.way === "backward" || shown.values.some((value) => value < 0), most);
    map.mark(marks);
    return make("figure", {}, map.element, make("figcaption", {}, make("b", {}, shown.symbol), ` ${name}`));
  });
}

/** All terms of a dense unit's sum as a picture, laid out like the input maps. */
function products({ number, answer, way }) {
  const { dense } = number, { origin_layer: from } = dense;
  const shape = from < 0 ? answer.layers[0].input_shape : answer.layers[from].shape;
  const values = way === "forward" ? dense.products : dense.dw;
  const { height, width } = layout(shape);
  const picture = isImage(shape) ? filterPicture(values, [...shape, 1], 0)
    : { height, width, values: Float32Array.from({ length: height * width }, (_, k) => values[k] ?? 0) };
  const name = from < 0 ? "the image" : answer.layers[from].name;
  const face = canvas(picture.width, picture.height, `${way === "forward" ? "Products" : "Gradient of the weights"}, laid out like ${name}`);
  face.classList.add("products");
  face.style.width = `${Math.max(2, Math.floor(260 / picture.width)) * picture.width}px`;
  paintSigned(face, picture.values, mostOf(picture.values));
  const caption = way === "forward" ? [make("b", {}, "x · w"), ` laid out like ${name}: orange increases the sum, blue decreases it`]
    : [make("b", {}, "∂L/∂w"), ` laid out like ${name}: gradient descent decreases orange weights and increases blue ones`];
  return make("figure", {}, face, make("figcaption", {}, ...caption));
}
