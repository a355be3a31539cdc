// The forward pass of one number: how it is computed.
import { make } from "../dom.js";
import { alike, bracketed, num } from "./numbers.js";
import * as words from "./forwardwords.js";
import { channelChooser, grid, line, scrolled, strips, sum, table, tint } from "./grids.js";
import { placeName, placeOnly } from "./places.js";
import { step, wideStep } from "./prose.js";

/** Channel `k` of (KH, KW, C) numbers. */
export const slice = (numbers, k) => numbers.map((row) => row.map((tap) => tap[k]));

/**
 * The steps that compute a number, as elements.
 *
 * at: { number: from /api/inside/pixel, layers, names: of the classes, channel: of the
 * input, onChannel }
 */
export function forwardSteps(at) {
  const { number } = at, layer = at.layers[number.layer];
  const steps = [];
  if (number.convolution) steps.push(...convolution(at, layer));
  if (number.dense) steps.push(dense(at));
  const linear = number.convolution ?? number.dense;
  if (number.function) steps.push(functionStep(number.function, linear, linear?.bias === null ? "ReLU" : layer.kind));
  else if (linear && !(number.dense && number.softmax)) steps.push(step(words.bias(biasOf(number, linear)), ...biased(linear)));
  if (number.pooling) steps.push(pool(number.pooling, null));
  if (number.mean) steps.push(step(words.mean(number.mean), sum(`${num(number.mean.sum)} / ${number.mean.count} = ${num(number.y)}`)));
  if (number.softmax) steps.push(softmax(at));
  if (number.source) steps.push(moved(at, layer));
  for (const window of number.pooled ?? []) steps.push(pool(window, number));
  if (number.pooled?.length === 0) steps.push(step(words.notPooled(), sum(`Its value ${num(number.y)} is not used.`)));
  return steps;
}

function convolution(at, layer) {
  const n = at.number.convolution, channels = n.channel_sums.length, k = at.channel;
  const inside = n.inside, all = channels > 1 ? `, channel ${k}` : "";
  const grids = line(
    grid(`window x${all}`, slice(n.window, k), { inside, name: "window" }), "×",
    grid(`filter w${all}`, slice(n.weights, k), { name: "filter" }), "=",
    grid(`products${all}`, slice(n.products, k), { inside, name: "products" }));
  const parts = [grids];
  if (inside.flat().includes(false)) parts.push(make("p", { class: "soft" }, "Dashed cells are padding: outside the image, value 0."));
  if (channels > 1) parts.push(sum(`channel ${k}: Σ = ${num(n.channel_sums[k])}`), channelChooser("its sum", n.channel_sums, k, at.onChannel));
  parts.push(sum(`s = Σ of all ${n.taps} products = ${num(n.sum)}`, "total"));
  const [, , channel] = at.number.place;
  return [
    wideStep(words.convolution(n, layer.window), ...parts),
    wideStep(words.patches({ ...n, column: channel }),
      scrolled("Row times column", strips(n.window, n.weights, channels)),
      sum(`row ${n.patch_row + 1} of ${n.patch_rows}  ·  column ${channel + 1} of ${n.filters}  =  ${num(n.sum)}`)),
  ];
}

const biasOf = (number, linear) => ({ hasBias: linear.bias !== null, isMap: Boolean(number.convolution), goesToSoftmax: Boolean(number.softmax) });

function biased(linear) {
  const { sum: s, bias, z } = linear;
  if (bias === null) return [sum(`z = s = ${num(z)} (this layer has no bias)`, "z")];
  const write = alike(s, bias, z);
  return [sum(`z = s + b = ${write(s)} + ${bracketed(bias, write)} = ${write(z)}`, "z")];
}

function functionStep(f, linear, kind) {
  const lines = linear ? biased(linear) : [];
  const text = {
    relu: () => `a = max(0, ${num(f.x)}) = ${num(f.y)}`,
    leaky_relu: () => `a = max(${num(f.x)}, ${f.numbers.slope} · ${bracketed(f.x)}) = ${num(f.y)}`,
    sigmoid: () => `a = 1 / (1 + e^{${num(-f.x)}}) = ${num(f.y)}`,
    tanh: () => `a = tanh(${num(f.x)}) = ${num(f.y)}`,
    batch_norm: () => {
      const { gamma, beta, mean, variance, epsilon } = f.numbers;
      return `y = ${num(gamma)} · (${num(f.x)} − ${bracketed(mean)}) / √(${num(variance)} + ${epsilon}) + ${bracketed(beta)} = ${num(f.y)}`;
    },
  }[f.name];
  return step(words.functionOf(f, kind), ...lines, sum(text(), "a"));
}

/** Whether the chosen number is the maximum of its window: "won", "tied" (as large, but not the first) or "lost". */
export function outcomeOf(p, number) {
  if (!number || !p.argmax) return null;
  const [i, j] = [number.place[0] - p.top, number.place[1] - p.left];
  if (p.argmax[0] === i && p.argmax[1] === j) return "won";
  return p.values[i][j] === p.y ? "tied" : "lost";
}

function pool(p, number) {
  const shown = grid(`window ${p.values.length}×${p.values[0].length}`, p.values, { inside: p.inside, winner: p.argmax, name: "pool" });
  if (p.kind === "mean") {
    return step(words.meanPool(p), line(shown), sum(`p = mean of ${words.insideOf(p)} = ${num(p.y)}`, "p"));
  }
  const outcome = outcomeOf(p, number);
  return step(words.maxPool(p, outcome), line(shown), sum(`p = ${num(p.y)}, from row ${p.top + p.argmax[0]}, column ${p.left + p.argmax[1]}${words.outcomeText(outcome)}`, "p"));
}

function dense(at) {
  const w = at.number.dense, most = Math.max(...w.terms.map((term) => Math.abs(term.product)));
  const rows = w.terms.map((term) => [
    placeOnly(term.origin, at.layers), num(term.x), num(term.w),
    tint(make("span", { class: "tinted" }, num(term.product)), term.product, most),
  ]);
  if (w.rest_count) rows.push([`the other ${w.rest_count} together`, "", "", num(w.rest)]);
  return step(words.dense(w),
    scrolled("The largest terms", table("The largest terms", [placeName({ layer: w.origin_layer, place: [] }, at.layers), "x", "w", "x · w"], rows)),
    sum(`s = Σ of all ${w.terms.length + w.rest_count} products = ${num(w.sum)}`, "total"),
    ...(at.number.softmax ? biased(w) : []));
}

/** A class name without the characters that mean markup in prose.js. */
const plainName = (name) => name.replace(/[{}`]/g, "");

function softmax(at) {
  const { softmax: s, place } = at.number, isEnd = at.number.dy === null, own = place.at(-1);
  const target = isEnd ? at.target : -1;
  const rows = [...s.z.keys()].map((k) => {
    const name = isEnd ? at.names[k] : String(k);
    const marks = [k === own ? "selected" : "", k === target ? "target" : ""].filter(Boolean).join(", ");
    return [marks ? `${name} (${marks})` : name, num(s.z[k]), num(s.exponentials[k]), num(s.p[k])];
  });
  const lines = [sum(`p_{${isEnd ? plainName(at.names[own]) : own}} = ${num(s.exponentials[own])} / ${num(s.total)} = ${num(s.p[own])}`, "a")];
  if (isEnd) lines.push(sum(`L = −log p_{${plainName(at.names[target])}} = −log ${num(s.p[target])} = ${num(at.loss)}`, "loss"));
  return step(words.softmax(), scrolled("All classes", table("All classes", [isEnd ? "class" : "unit", "z", "exp(z − max z)", "p"], rows)), ...lines);
}

function moved(at, layer) {
  const { number } = at, [H, W, C] = layer.input_shape;
  const lines = [sum(`y = ${num(number.y)}, the same as ${placeName(number.source, at.layers)}`, "a")];
  if (layer.kind === "Flatten" && H && C) {
    const [r, c, k] = number.source.place;
    if (number.source.place.length === 3) lines.unshift(sum(`u = (${r} · ${W} + ${c}) · ${C} + ${k} = ${number.unit}`));
  }
  return step(words.moved(layer.kind), ...lines);
}
