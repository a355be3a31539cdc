// The network from left to right: the image, then the maps of each layer.
import { bars } from "../bars.js";
import { make } from "../dom.js";
import { canvas, paintSigned } from "../pixels.js";
import { boxes } from "./boxes.js";
import { makeMap, mostOf } from "./map.js";
import { num } from "./numbers.js";
import { isImage, size } from "./places.js";
import { filterPicture, layout, plane, shownOf, shownOfImage } from "./values.js";

const IMAGE = -1;

/**
 * Fill `box`; returns show(view), where view is { image: pixels, answer: decoded, names, way, showsZ,
 * number: the selected one or null }.
 *
 * on.pick(layer, unit, byPointer), on.move(layer, unit, byKey): unit counts a layer's output row by row.
 */
export function network(box, on) {
  let built = null, painted = null, columns = [];
  return (view) => {
    const layers = [imageLayer(view), ...view.answer.layers];
    const key = JSON.stringify(layers.map((layer) => [layer.name, layer.shape, layer.weights_shape]).concat(view.names));
    if (key !== built) {
      columns = layers.map((layer) => column(layer, view.names, on));
      box.replaceChildren(...columns.map(({ element }) => element));
      built = key;
      painted = null;
    }
    const inputs = [view.answer, view.way, view.showsZ];
    if (!painted || inputs.some((value, k) => value !== painted[k])) {
      columns.forEach((one, place) => one.paint(layers[place], view));
      painted = inputs;
    }
    const marked = boxes(view.number, view.answer.layers, layers[0].shape);
    columns.forEach((one, place) => one.mark(marked.get(place - 1) ?? []));
  };
}

function imageLayer({ image, answer }) {
  const shape = answer.layers[0].input_shape;
  return { index: IMAGE, name: "Image", kind: "Image", shape, maps: Float32Array.from(image), gradient: answer.gradient, z: null, weights: null, weights_shape: null };
}

const screenPixels = (width, count, image) => (image ? Math.max(3, Math.ceil(40 / width)) : count <= 16 ? 15 : count <= 144 ? 8 : count <= 600 ? 5 : 3);

function column(layer, names, on) {
  const { height, width, channels, count } = layout(layer.shape), image = isImage(layer.shape);
  const unit = (row, column, k) => (row * width + column) * channels + k;
  const scale = screenPixels(width, count, image);
  const maps = [...Array(channels).keys()].map((k) => makeMap({
    height, width, scale, count,
    label: layer.index === IMAGE ? `The image, ${height} by ${width}` : image ? `${layer.name}, map ${k + 1} of ${channels} (channel ${k}), ${height} by ${width}` : `${layer.name}, ${count} numbers`,
    on: {
      pick: (row, column, byPointer) => layer.index === IMAGE || on.pick(layer.index, unit(row, column, k), byPointer),
      move: (row, column, byKey) => on.move(layer.index, unit(row, column, k), byKey),
      turn: (step) => turn(maps, k, k + step),
    },
  }));
  const filters = layer.weights_shape && maps.map((_, k) => filterCanvas(layer, k, scale * width));
  const legend = make("div", { class: "legend" });
  const list = make("div", { class: "maps" }, ...maps.map((map, k) => make("div", { class: "item" }, map.element, ...(filters ? [filters[k].face] : []))));
  list.style.setProperty("--columns", channels <= 8 ? Math.min(channels, 2) : channels <= 32 ? 4 : 8);
  const isEnd = names.length === count && layer.activation === "Softmax" || layer.kind === "Softmax";
  const shares = isEnd ? make("ul", { class: "bars", "aria-label": "Probability of each class" }) : null;
  const showProbabilities = isEnd ? bars(shares, names) : null;
  const activation = layer.activation ? ` · ${layer.activation}` : "";
  const element = make("section", { class: "layer", "aria-label": layer.name },
    make("h3", {}, layer.name),
    make("p", { class: "soft" }, layer.shape.join("×") + activation),
    legend, list, ...(shares ? [shares] : []));
  return {
    element,
    paint(now, view) {
      const { values, symbol } = now.index === IMAGE ? shownOfImage(now, view.way) : shownOf(now, view.way, view.showsZ);
      const most = now.index === IMAGE && view.way === "forward" ? 1 : mostOf(values);
      const signed = view.way === "backward" || values.some((value) => value < 0);
      fillLegend(legend, symbol, signed, most);
      maps.forEach((map, k) => map.paint(channels > 1 ? plane(values, channels, k) : values, signed, most));
      filters?.forEach((filter) => filter.paint(view.way === "forward" ? now.weights : now.weights_gradient));
      showProbabilities?.(view.answer.probabilities);
    },
    mark(marks) {
      const current = marks.find((mark) => mark.channel !== null)?.channel ?? 0;
      maps.forEach((map, k) => {
        map.mark(marks.filter((mark) => mark.channel === null || mark.channel === k));
        map.element.tabIndex = k === current ? 0 : -1;
      });
    },
  };
}

function turn(maps, from, to) {
  if (!maps[to]) return;
  maps[from].element.tabIndex = -1;
  maps[to].element.tabIndex = 0;
  maps[to].cursor = maps[from].cursor;
  maps[to].element.focus();
}

function filterCanvas(layer, f, screen) {
  const { height, width } = filterPicture(new Float32Array(size(layer.weights_shape)), layer.weights_shape, f);
  const face = canvas(width, height, `Filter ${f + 1} of ${layer.weights_shape[3]} of ${layer.name}`);
  const share = layer.weights_shape[2] === 1 ? Math.min(screen, 8 * width) : screen;
  face.style.width = `${share}px`;
  face.classList.add("filter");
  return {
    face,
    paint: (weights) => paintSigned(face, filterPicture(weights, layer.weights_shape, f).values, mostOf(weights)),
  };
}

function fillLegend(legend, symbol, signed, most) {
  const name = make("span", { class: "symbol" }, symbol);
  const range = make("span", { class: "range" }, `${signed ? "±" : "0 … "}${num(most, most >= 1 ? 2 : 3)}`);
  legend.replaceChildren(name, make("span", { class: signed ? "scale signed" : "scale grey" }), range);
}
