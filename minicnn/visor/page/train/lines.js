// The lines of a chart in Plotly's format.
import { colour } from "../charts.js";
import { BATCH, TRAINING, VALIDATION, earlier } from "./legend.js";
import { thin } from "./series.js";
import { isShare } from "./words.js";

const MOST_MARKS = 60; // epochs; longer lines have no marks

/**
 * The lines of one metric. points: "both", "epochs" or "batches"; others: [{ name, columns, place }] of
 * earlier runs; from, to: the visible range of x.
 */
export function lines(metric, { history, points, others, from, to }) {
  const { batches, epochs } = history;
  const found = [];
  const add = (x, y, style, name, more) => {
    if (y?.some((number) => number !== null)) found.push(line(metric, thin(x, y, { from, to }), style, name, more));
  };
  others.forEach(({ name, columns, place }) => {
    const style = earlier(place), few = { maxdisplayed: 8 };
    add(columns.epoch, columns[metric], style, name, few);
    add(columns.epoch, columns[`val_${metric}`], { ...style, dash: "dash" }, `${name}, validation`, few);
  });
  const batchLine = points === "both" ? { opacity: 0.55 } : {};
  if (points !== "epochs") add(batches.x, batches.values[metric], BATCH, "batches", batchLine);
  if (points !== "batches") add(epochs.x, epochs.values[metric], TRAINING, "training");
  add(epochs.x, epochs.values[`val_${metric}`], VALIDATION, "validation");
  return found;
}

function line(metric, { x, y }, style, name, { maxdisplayed = 0, opacity = 1 } = {}) {
  const isMarked = style.mark && (x.length <= MOST_MARKS || maxdisplayed);
  return {
    type: "scatter", x, y, name, opacity,
    mode: isMarked ? "lines+markers" : "lines",
    line: { color: colour(style.colour), width: style.width, dash: style.dash },
    marker: { symbol: style.mark ?? "circle", size: 6, maxdisplayed, color: colour(style.colour) },
    hovertemplate: isShare(metric) ? "%{y:.2%}" : "%{y:.4f}",
  };
}
