// The distribution of a layer's values over the epochs as a heat map: epochs from left to right, values
// from bottom to top; a stronger blue means more values.
import { colour } from "../charts.js";
import { make } from "../dom.js";
import { canvas } from "../pixels.js";
import { short } from "./words.js";

const ROWS = 80, COLUMNS = 120;

/** A series from layer_series.py → a figure. */
export function heat(name, series, epochs, bins) {
  const low = Math.min(...series.min.filter(Number.isFinite)), high = Math.max(...series.max.filter(Number.isFinite));
  if (low > high) return make("figure", {}, make("h3", {}, name), make("p", { class: "soft" }, "No value is finite."));
  const range = high > low ? [low, high] : [low - 0.5, high + 0.5];
  const label = `${name}: from ${short(low)} to ${short(high)}, epochs ${epochs[0]} to ${epochs.at(-1)}`;
  const picture = canvas(COLUMNS, ROWS, label);
  const measured = spread(series, epochs.length, bins, range);
  paint(picture, columnsOf(epochs).map((place) => measured[place]));
  const axis = (side, ...texts) => make("div", { class: `heat-${side}`, "aria-hidden": "true" }, ...texts.map((text) => make("span", {}, text)));
  return make("figure", { class: "heat" }, make("h3", {}, name), axis("y", short(range[1]), short(range[0])), picture, axis("x", `epoch ${epochs[0]}`, String(epochs.at(-1))));
}

/** The index of the epoch for each column; an epoch that was left out shows the one before. */
function columnsOf(epochs) {
  const first = epochs[0], count = epochs.at(-1) - first + 1;
  return Array.from({ length: COLUMNS }, (_, column) => {
    const epoch = first + Math.floor((column / COLUMNS) * count);
    return epochs.findLastIndex((measured) => measured <= epoch);
  });
}

/** The density of the values at each of the 80 heights, epoch by epoch. */
function spread(series, count, bins, [low, high]) {
  const bytes = Uint8Array.from(atob(series.histograms), (character) => character.charCodeAt(0));
  const found = [];
  for (let place = 0; place < count; place++) {
    const counts = bytes.subarray(place * bins, (place + 1) * bins), total = counts.reduce((sum, n) => sum + n, 0);
    const start = series.min[place], width = (series.max[place] - start) / bins;
    const heights = new Float32Array(ROWS);
    for (let row = 0; total && row < ROWS; row++) {
      const value = high - ((row + 0.5) / ROWS) * (high - low);
      const bin = width > 0 ? Math.floor((value - start) / width) : -1;
      if (bin >= 0 && bin < bins) heights[row] = counts[bin] / total / width;
    }
    if (total && !(width > 0)) heights[Math.round(((high - start) / (high - low)) * (ROWS - 1))] = Infinity;
    found.push(heights);
  }
  return found;
}

/** The square root of the density as a shade between paper and blue, so that rare values are visible. */
function paint(picture, columns) {
  const shades = palette(), most = usualMost(columns);
  const context = picture.getContext("2d"), image = context.createImageData(columns.length, ROWS);
  columns.forEach((heights, column) => heights.forEach((height, row) => {
    const shade = shades[Math.round(Math.sqrt(Math.min(height / most, 1)) * (shades.length - 1))];
    image.data.set(shade, 4 * (row * columns.length + column));
  }));
  context.putImageData(image, 0, 0);
}

/** The density with the full colour: the median of the epochs' maxima, robust against outliers. */
function usualMost(columns) {
  const greatest = columns.map((heights) => Math.max(...heights)).filter((most) => Number.isFinite(most) && most > 0);
  return greatest.sort((a, b) => a - b)[Math.floor(greatest.length / 2)] ?? 1;
}

function palette() {
  const [paper, full] = ["paper", "blue"].map((name) => rgb(colour(name)));
  return Array.from({ length: 64 }, (_, k) => [...paper.map((from, i) => from + ((full[i] - from) * k) / 63), 255]);
}

const rgb = (hex) => [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
