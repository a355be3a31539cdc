// Formats the numbers of a run.
import { percent } from "../dom.js";

/** Whether a metric is a share, shown in percent. */
export const isShare = (name) => name.includes("accuracy");

/** "top_k_accuracy" → "Top k accuracy"; "val_loss" → "Validation loss". */
export function title(name) {
  const words = name.replace(/^val_/, "validation ").replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}

/** A value of a metric: "98.75 %", "0.5213"; null: a dash. */
export function value(name, number) {
  if (!Number.isFinite(number)) return "–";
  if (isShare(name)) return percent(number, 2);
  return Math.abs(number) < 1e4 ? number.toFixed(4) : number.toExponential(2);
}

/** Three significant digits: 0.00399, 2.80e-9, 1.47; null: a dash. */
export function short(number) {
  if (!Number.isFinite(number)) return "–";
  const size = Math.abs(number);
  return size !== 0 && (size < 1e-3 || size >= 1e4) ? number.toExponential(2) : number.toPrecision(3);
}
