// Tables of numbers: small grids, sums, and a row of the patch matrix with its column of weights.
import { make } from "../dom.js";
import { cell, exponentOf, num, power } from "./numbers.js";
import { marked } from "./prose.js";

/** Colour an element by the sign and size of a value; ±most is the full colour. */
export function tint(element, value, most) {
  const share = most > 0 && Number.isFinite(value) ? Math.min(Math.abs(value) / most, 1) : 0;
  element.classList.add(value < 0 ? "below" : "above");
  element.style.setProperty("--tint", `${Math.round(38 * share)}%`);
  return element;
}

const mostOf = (values) => Math.max(0, ...values.map(Math.abs));

/**
 * A grid of numbers with a caption.
 *
 * rows: numbers; options.inside: false for padding; options.winner: [row, column] of the maximum;
 * options.name: a CSS class for scripts and tests.
 */
export function grid(caption, rows, { inside = null, winner = null, name = "" } = {}) {
  const flat = rows.flat();
  const exponent = exponentOf(flat), most = mostOf(flat);
  const body = rows.map((row, i) => make("tr", {}, ...row.map((value, j) => {
    const isPadding = inside && !inside[i][j];
    const won = winner && winner[0] === i && winner[1] === j;
    const item = tint(make("td", {}, cell(value, exponent)), value, most);
    if (isPadding) item.append(make("span", { class: "hidden" }, " padding"));
    if (won) item.append(make("span", { class: "hidden" }, " maximum"));
    item.classList.toggle("padding", Boolean(isPadding));
    item.classList.toggle("winner", Boolean(won));
    return item;
  })));
  const scale = exponent ? [" ", make("span", { class: "scale" }, `× ${power(exponent)}`)] : [];
  return make("table", { class: `grid-of-numbers ${name}` }, make("caption", {}, ...marked(caption), ...scale), make("tbody", {}, ...body));
}

/** A wrapping line of grids with signs between them. */
export const line = (...parts) => make("div", { class: "grids" }, ...parts.map((part) =>
  (typeof part === "string" ? make("span", { class: "sign" }, part) : part)));

/** A line of arithmetic, with _{…} as subscript; `name` is a CSS class for scripts and tests. */
export const sum = (text, name = "") => make("p", { class: `sum ${name}` }, ...marked(text));

/** A scrolling box around a table; `label` is its accessible name. */
export const scrolled = (label, content) => make("div", { class: "scrolled", role: "region", "aria-label": label, tabindex: "0" }, content);

/**
 * A table of numbers.
 *
 * heads: texts; rows: lists of text or nodes, the first is the row's heading.
 */
export function table(caption, heads, rows) {
  return make("table", { class: "numbers" },
    make("caption", { class: "hidden" }, caption),
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, ...marked(head))))),
    make("tbody", {}, ...rows.map(([first, ...rest]) => make("tr", {}, make("th", { scope: "row" }, first), ...rest.map((value) => make("td", {}, value))))));
}

/** A row of the patch matrix above the column of weights, their products and the running sum. */
export function strips(window, weights, channels) {
  const x = window.flat(2), w = weights.flat(2), products = x.map((value, k) => value * w[k]);
  const width = window[0].length;
  let total = 0;
  const running = products.map((product) => (total += product));
  const place = (k) => [Math.floor(k / (width * channels)), Math.floor(k / channels) % width, k % channels];
  const strip = (head, values, plain) => {
    const exponent = exponentOf(values), most = mostOf(values);
    const name = exponent ? `${head} × ${power(exponent)}` : head;
    return make("tr", {}, make("th", { scope: "row" }, ...marked(name)), ...values.map((value) => {
      const item = make("td", {}, cell(value, exponent));
      return plain ? item : tint(item, value, most);
    }));
  };
  const heads = x.map((_, k) => make("th", { scope: "col" }, place(k).slice(0, channels > 1 ? 3 : 2).join(",")));
  return make("table", { class: "strips" },
    make("caption", { class: "hidden" }, "A row of the patch matrix, a column of the weight matrix, their products and the running sum"),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, channels > 1 ? "i,j,k" : "i,j"), ...heads)),
    make("tbody", {}, strip("row", x), strip("column", w), strip("product", products), strip("running sum", running, true)));
}

/** A row for each channel with its number; a button shows the grids of that channel. */
export function channelChooser(head, sums, chosen, onChoose) {
  const most = mostOf(sums);
  const rows = sums.map((value, k) => [
    make("button", { "aria-pressed": String(k === chosen), onclick: () => onChoose(k) }, `channel ${k}`),
    tint(make("span", { class: "tinted" }, num(value)), value, most),
  ]);
  return scrolled("Channel by channel", table(`Each channel of the input: ${head}`, ["input channel", head], rows));
}
