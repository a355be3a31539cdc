// The tab Inside: the output of each layer for an image, and the gradients.
import { chosen, onChosen } from "../chosen.js";
import { byId, make, percent } from "../dom.js";
import { post } from "../server.js";
import { backwardSteps } from "./backward.js";
import { closeup } from "./closeup.js";
import { forwardSteps } from "./forward.js";
import { startChoosing } from "./images.js";
import { keepingPlace } from "./keep.js";
import { network } from "./network.js";
import { num } from "./numbers.js";
import { isImage, placeName } from "./places.js";
import { pairUp } from "./prose.js";
import { decoded, plane, shownOf } from "./values.js";

const state = {
  image: null, // as in chosen.js
  target: null, // a class, or null: the true class, else the predicted one
  answer: null, // of /api/inside, decoded
  selected: null, // the chosen number: { layer, unit }
  number: null, // of /api/inside/pixel
  channel: 0, // of the input, whose grids are shown
  names: [],
  version: null, // of the newest model
  isShown: false,
};
let draw = null, images = null, requests = 0, hasFailed = false;

const way = () => document.querySelector('input[name="inside-way"]:checked').value;
const view = () => ({ ...state, image: state.image.pixels, way: way(), showsZ: byId("inside-z").checked });

/** Start; `about` comes from /api/about. */
export function start(about) {
  const on = { pick, move };
  draw = network(byId("inside-network"), on);
  images = startChoosing(take, say);
  byId("inside-way").addEventListener("change", show);
  byId("inside-z").addEventListener("change", show);
  byId("inside-target").addEventListener("change", (event) => {
    state.target = Number(event.target.value);
    ask();
  });
  onChosen(take);
  renewed(about);
}

/** A newer model, or another status. */
export function renewed(about) {
  const { model } = about;
  if (!model) return empty("There is no model yet: the first checkpoint is saved after the first epoch.");
  if (state.version === model.version) return undefined;
  state.version = model.version;
  if (String(state.names) !== String(model.class_names)) {
    state.names = model.class_names;
    byId("inside-target").replaceChildren(...state.names.map((name, k) => make("option", { value: k }, name)));
  }
  return state.isShown ? begin() : undefined;
}

/** The tab is shown or hidden. */
export function shown(yes) {
  state.isShown = yes;
  if (yes && state.version && state.answer?.version !== state.version) begin();
}

/** The server answers again. */
export function returned() {
  if (hasFailed) ask();
  images.returned();
}

function begin() {
  if (state.image) return ask();
  const image = chosen();
  return image ? take(image) : images.first();
}

function take(image) {
  state.image = image;
  state.target = null;
  if (state.isShown || chosen() === image) ask();
}

function say(text, isError = false) {
  byId("inside-said").textContent = text;
  byId("inside-said").classList.toggle("error", isError);
  if (isError && !state.answer) empty(`${text} You can also draw a digit in the tab Draw and choose “Look inside”.`);
}

function empty(text) {
  byId("inside-empty").textContent = text;
  byId("inside-empty").hidden = false;
  byId("inside-all").hidden = true;
}

const question = () => ({ pixels: state.image.pixels, class: state.target ?? state.image.true });

function fail(error) {
  hasFailed = true;
  say(error.message, true);
}

async function ask() {
  const own = ++requests;
  hasFailed = false;
  try {
    const answer = await post("/api/inside", question());
    if (own !== requests) return;
    state.answer = decoded(answer);
    state.number = null;
    byId("inside-empty").hidden = true;
    byId("inside-all").hidden = false;
    byId("inside-target").value = answer.target;
    describeAnswer();
    state.selected = exists(state.selected) ? state.selected : firstSelection();
    await look(own);
  } catch (error) {
    if (own === requests) fail(error);
  }
}

async function look(own = ++requests) {
  const { layer, unit } = state.selected;
  const number = await post("/api/inside/pixel", { ...question(), layer, unit });
  if (own !== requests) return;
  if (number.version !== state.answer.version) return ask(); // there is a newer model
  state.number = number;
  const sums = number.convolution?.channel_sums.map(Math.abs);
  state.channel = sums ? sums.indexOf(Math.max(...sums)) : 0;
  return show();
}

function describeAnswer() {
  const { answer, image, names } = state;
  const what = image.from ? image.from[0].toUpperCase() + image.from.slice(1) : "This image";
  const is = image.name === null || image.name === undefined ? "" : `, true class ${image.name},`;
  const confidence = percent(answer.probabilities[answer.predicted]);
  say(`${what}${is} is predicted as ${names[answer.predicted]} (${confidence}). Loss for target ${names[answer.target]}: −log p = ${num(answer.loss)}.`);
}

/** Whether the current network has this number. */
function exists(selected) {
  return selected !== null && selected.layer < state.answer.layers.length && selected.unit < state.answer.layers[selected.layer].maps.length;
}

/** The largest output of an edge filter of the first convolution: the one with the largest
 * Σ |w| − |Σ w|. */
function firstSelection() {
  const { layers } = state.answer;
  const layer = Math.max(layers.findIndex(({ kind }) => kind === "Conv2D"), 0);
  const { maps, weights, shape } = layers[layer], channels = weights ? shape[2] : 1;
  const balance = (k) => {
    const filter = weights ? plane(weights, channels, k) : [1];
    return filter.reduce((total, w) => total + Math.abs(w), 0) - Math.abs(filter.reduce((total, w) => total + w, 0));
  };
  const all = [...Array(channels).keys()], best = all.reduce((one, k) => (balance(k) > balance(one) ? k : one));
  const values = plane(maps, channels, best);
  return { layer, unit: values.indexOf(Math.max(...values)) * channels + best };
}

async function pick(layer, unit, byPointer) {
  state.selected = { layer, unit };
  const own = ++requests;
  hasFailed = false;
  try {
    await look(own);
    byId("inside-spoken").textContent = `Selected: ${byId("inside-chosen").textContent}`;
    if (byPointer) reveal(byId("inside-chosen"));
  } catch (error) {
    if (own === requests) fail(error);
  }
}

/** Scroll to the heading if it is off the screen. */
function reveal(heading) {
  const { top } = heading.getBoundingClientRect();
  if (top >= 0 && top < innerHeight - 100) return;
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  heading.scrollIntoView({ block: "start", behavior: isCalm ? "auto" : "smooth" });
}

function move(layer, unit, byKey) {
  const text = describe(layer, unit);
  byId("inside-probe").textContent = text;
  if (byKey) byId("inside-spoken").textContent = text;
}

/** "1 Conv2D, row 3, column 4, channel 0: a = 0.1234". */
function describe(layer, unit) {
  const now = view(), { answer } = state, first = answer.layers[0].input_shape;
  if (layer < 0) {
    const values = now.way === "forward" ? now.image : answer.gradient;
    return `The image, row ${Math.floor(unit / first[1])}, column ${unit % first[1]}: ${now.way === "forward" ? "x" : "∂L/∂x"} = ${num(values[unit])}`;
  }
  const { shape } = answer.layers[layer], { values, symbol } = shownOf(answer.layers[layer], now.way, now.showsZ);
  const place = isImage(shape) ? [Math.floor(unit / (shape[1] * shape[2])), Math.floor(unit / shape[2]) % shape[1], unit % shape[2]] : [unit];
  return `${placeName({ layer, place }, answer.layers)}: ${symbol} = ${num(values[unit])}`;
}

/** Draw everything in the chosen direction. */
function show() {
  if (!state.number) return;
  const now = view();
  draw(now);
  byId("inside-chosen").textContent = describe(state.number.layer, state.number.unit);
  keepingPlace(byId("inside-closeup"), () => byId("inside-closeup").replaceChildren(...closeup(now, state.channel, { pick, move })));
  const { number, channel, names, answer } = now;
  const at = { number, channel, names, layers: answer.layers, target: answer.target, loss: answer.loss, onChannel };
  const steps = now.way === "forward" ? forwardSteps(at) : backwardSteps(at);
  keepingPlace(byId("inside-steps"), () => byId("inside-steps").replaceChildren(...pairUp(steps)));
}

function onChannel(k) {
  state.channel = k;
  show();
}
