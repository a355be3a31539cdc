// The backward pass of one number: its gradient.
import { make } from "../dom.js";
import { bracketed, num } from "./numbers.js";
import * as words from "./backwardwords.js";
import { outcomeOf, slice } from "./forward.js";
import { channelChooser, grid, line, scrolled, sum, table, tint } from "./grids.js";
import { placeName, placeOnly } from "./places.js";
import { step, wideStep } from "./prose.js";

/** The steps from the number's gradient to the gradients that follow from it; `at` as in forwardSteps. */
export function backwardSteps(at) {
  const { number } = at, layer = at.layers[number.layer];
  const steps = [...incoming(at)];
  if (number.function) steps.push(slope(number.function));
  if (number.softmax && number.dy !== null) steps.push(step(words.throughSoftmax(), sum(`∂L/∂z = ${num(number.softmax.dz[number.place.at(-1)])}`, "dz")));
  if (number.convolution) steps.push(toFilter(at, layer), toInput(at, layer));
  if (number.dense) steps.push(toWeights(at));
  if (number.pooling) steps.push(toWindow(number.pooling));
  if (number.mean) steps.push(step(words.mean(number.mean), sum(`${num(number.dy)} / ${number.mean.count} = ${num(number.mean.dx_each)} for each pixel`)));
  if (number.source) steps.push(step(words.moved(layer.kind), sum(`∂L/∂x = ${num(number.dy)}, back to ${placeName(number.source, at.layers)}`)));
  return steps;
}

function incoming(at) {
  const { number } = at;
  if (number.dy === null) return [begin(at)];
  if (number.pooled?.length) return [...number.pooled.map((p) => fromPool(p, number)), ...together(number)];
  if (number.dense_gradient) return [fromDense(at)];
  const next = at.layers[number.layer + 1]?.kind;
  const lines = [sum(`∂L/∂a = ${num(number.dy)}`, "dy")];
  if (next === "Conv2D") return [step(words.fromConvolution(), ...lines)];
  return [step(words.fromOther(), ...lines)];
}

function begin(at) {
  const s = at.number.softmax, own = at.number.place.at(-1);
  const most = Math.max(...s.dz.map(Math.abs));
  const rows = [...s.p.keys()].map((k) => [
    k === own ? `${at.names[k]} (selected)` : at.names[k], num(s.p[k]), k === at.target ? "1" : "0",
    tint(make("span", { class: "tinted" }, num(s.dz[k])), s.dz[k], most),
  ]);
  const q = own === at.target ? 1 : 0;
  return step(words.softmax(), scrolled("All classes", table("All classes", ["class", "p", "q", "p − q"], rows)),
    sum(`∂L/∂z = ${num(s.p[own])} − ${q} = ${num(s.dz[own])}`, "dz"));
}

function fromPool(p, number) {
  const [i, j] = [number.place[0] - p.top, number.place[1] - p.left];
  const values = grid("the window, forward", p.values, { inside: p.inside, winner: p.argmax, name: "pool" });
  const terms = grid("each pixel's share of ∂L/∂p", p.dx_terms, { inside: p.inside, winner: p.argmax, name: "terms" });
  const text = p.kind === "mean" ? words.fromMeanPool(p) : words.fromMaxPool(p, outcomeOf(p, number));
  return step(text, line(values, "→", terms),
    sum(`∂L/∂p = ${num(p.dy)} at row ${p.row}, column ${p.column} of the pooled map; the selected pixel gets ${num(p.dx_terms[i][j])}`, "dy"));
}

/** The gradient of a pixel in several overlapping windows. */
function together(number) {
  if (number.pooled.length < 2) return [];
  const terms = number.pooled.map((p) => p.dx_terms[number.place[0] - p.top][number.place[1] - p.left]);
  return [make("p", { class: "card sum" }, `The pixel is in ${terms.length} windows: ∂L/∂a = ${terms.map(bracketed).join(" + ")} = ${num(number.dy)}`)];
}

function fromDense(at) {
  const { dense_gradient: gradient } = at.number, most = Math.max(...gradient.terms.map((term) => Math.abs(term.product)));
  const layer = at.layers[gradient.layer], isEnd = gradient.layer === at.layers.length - 1 && layer.activation === "Softmax";
  const rows = gradient.terms.map((term) => [
    isEnd ? `class ${at.names[term.unit]}` : `unit ${term.unit}`, num(term.w), num(term.dz),
    tint(make("span", { class: "tinted" }, num(term.product)), term.product, most),
  ]);
  if (gradient.rest_count) rows.push([`the other ${gradient.rest_count} together`, "", "", num(gradient.rest)]);
  return step(words.fromDense(),
    scrolled("Gradient through each unit", table("Gradient through each unit", [layer.name, "w", "∂L/∂z", "w · ∂L/∂z"], rows)),
    sum(`∂L/∂a = Σ of all ${gradient.terms.length + gradient.rest_count} = ${num(gradient.sum)}`, "dy"));
}

function slope(f) {
  const lines = [];
  if (f.name === "relu") lines.push(sum(`z = ${num(f.x)} ${f.x > 0 ? "> 0, so the slope is 1" : "≤ 0, so the slope is 0"}`));
  else lines.push(sum(`slope = ${num(f.slope)}`));
  lines.push(sum(`∂L/∂z = ${num(f.dy)} · ${f.name === "relu" ? f.slope : bracketed(f.slope)} = ${num(f.dx)}`, "dz"));
  return step(words.functionOf(f), ...lines);
}

function toFilter(at, layer) {
  const n = at.number.convolution, k = at.channel, channels = n.channel_sums.length;
  const all = channels > 1 ? `, channel ${k}` : "", inside = n.inside;
  const parts = [
    sum(`∂L/∂z = ${num(n.dz)}`, "dz"),
    line(
      grid(`window x${all}`, slice(n.window, k), { inside, name: "window" }), "· ∂L/∂z =",
      grid("this pixel's term of ∂L/∂w", slice(n.dw_term, k), { inside, name: "dw-term" }), "Σ →",
      grid(`∂L/∂w, from all ${n.patch_rows} pixels`, slice(n.dw, k), { name: "dw" })),
  ];
  if (n.db !== null) parts.push(sum(`bias: this pixel's term is ∂L/∂z = ${num(n.dz)}; ∂L/∂b, the sum over all pixels, is ${num(n.db)}`, "db"));
  if (channels > 1) {
    const lengths = [...Array(channels).keys()].map((c) => Math.hypot(...slice(n.dw, c).flat()));
    parts.push(channelChooser("√Σ (∂L/∂w)²", lengths, k, at.onChannel));
  }
  return wideStep(words.filter(n, layer.window), ...parts);
}

function toInput(at, layer) {
  const n = at.number.convolution, k = at.channel, all = n.channel_sums.length > 1 ? `, channel ${k}` : "";
  return wideStep(words.input(layer.window),
    line(
      grid(`filter w${all}`, slice(n.weights, k), { name: "filter" }), "· ∂L/∂z =",
      grid("added to the window", slice(n.dx_term, k), { inside: n.inside, name: "dx-term" }), "Σ →",
      grid("∂L/∂x there, from all windows", slice(n.dx, k), { inside: n.inside, name: "dx" })),
    sum(`added to rows ${reach(n.top, n.window.length, n.dilation[0])} and columns ${reach(n.left, n.window[0].length, n.dilation[1])} of ${placeName({ layer: at.number.layer - 1, place: [] }, at.layers)}`));
}

function reach(first, taps, step) {
  const last = first + (taps - 1) * step;
  return `${first} … ${last}${step > 1 ? `, in steps of ${step},` : ""}`.replace(/-/g, "−");
}

function toWeights(at) {
  const w = at.number.dense;
  const rows = w.terms.map((term) => [placeOnly(term.origin, at.layers), num(term.x), num(term.dw), num(term.w), num(term.dx_term), num(term.dx)]);
  return wideStep(words.dense(), sum(`∂L/∂z = ${num(w.dz)}`, "dz"),
    scrolled("Gradients of the weights and inputs", table("Gradients of the weights and inputs", [placeName({ layer: w.origin_layer, place: [] }, at.layers), "x", "∂L/∂w = x · ∂L/∂z", "w", "w · ∂L/∂z", "∂L/∂x, all units"], rows)),
    ...(w.db === null ? [] : [sum(`∂L/∂b = ∂L/∂z = ${num(w.db)}`, "db")]));
}

function toWindow(p) {
  const values = grid("the window, forward", p.values, { inside: p.inside, winner: p.argmax, name: "pool" });
  const terms = grid("share of each pixel", p.dx_terms, { inside: p.inside, winner: p.argmax, name: "terms" });
  const text = p.kind === "mean" ? words.fromMeanPool(p) : words.toMaximum(p);
  return step(text, sum(`∂L/∂p = ${num(p.dy)}`, "dy"), line(values, "→", terms));
}
