// Which values are shown: outputs or gradients, before or after the activation.
import { floats } from "../pixels.js";
import { isImage, nameLayers, size } from "./places.js";

/** The answer of /api/inside with decoded arrays and names for its layers. */
export function decoded(answer) {
  const numbers = (text) => (text === null ? null : floats(text));
  const layers = nameLayers(answer.layers).map((layer) => ({
    ...layer,
    maps: numbers(layer.maps),
    gradient: numbers(layer.gradient),
    z: numbers(layer.z),
    z_gradient: numbers(layer.z_gradient),
    weights: numbers(layer.weights),
    weights_gradient: numbers(layer.weights_gradient),
  }));
  return { ...answer, layers, gradient: floats(answer.gradient) };
}

/**
 * The values of a layer: { values, symbol }. way: "forward" or "backward"; showsZ: before the activation.
 */
export function shownOf(layer, way, showsZ) {
  const isZ = showsZ && layer.z !== null;
  const letter = layer.z !== null ? (isZ ? "z" : "a") : "y";
  if (way === "forward") return { values: isZ ? layer.z : layer.maps, symbol: letter };
  if (layer.gradient_of === "z") return { values: layer.gradient, symbol: "∂L/∂z" };
  return { values: isZ ? layer.z_gradient : layer.gradient, symbol: `∂L/∂${letter}` };
}

/** The same for the image. */
export const shownOfImage = (image, way) =>
  (way === "forward" ? { values: image.maps, symbol: "x" } : { values: image.gradient, symbol: "∂L/∂x" });

/** Channel k of numbers (H, W, C). */
export function plane(values, channels, k) {
  return Float32Array.from({ length: values.length / channels }, (_, pixel) => values[pixel * channels + k]);
}

/** The layout of an output: { height, width, channels, count }; a vector fills a near square. */
export function layout(shape) {
  if (isImage(shape)) return { height: shape[0], width: shape[1], channels: shape[2], count: shape[0] * shape[1] };
  const count = size(shape), width = count <= 16 ? count : Math.ceil(Math.sqrt(count));
  return { height: Math.ceil(count / width), width, channels: 1, count };
}

/** The channels of filter f of weights (KH, KW, C, F) side by side: { height, width, values }. */
export function filterPicture(weights, [KH, KW, C, F], f) {
  const columns = Math.ceil(Math.sqrt(C)), rows = Math.ceil(C / columns), gap = C > 1 ? 1 : 0;
  const width = columns * (KW + gap) - gap, height = rows * (KH + gap) - gap;
  const values = new Float32Array(width * height);
  for (let i = 0; i < KH; i++) for (let j = 0; j < KW; j++) for (let c = 0; c < C; c++) {
    const row = Math.floor(c / columns) * (KH + gap) + i, column = (c % columns) * (KW + gap) + j;
    values[row * width + column] = weights[((i * KW + j) * C + c) * F + f];
  }
  return { height, width, values };
}
