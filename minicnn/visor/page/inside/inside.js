// The tab Inside: what each layer makes of an image, and what comes back through it.
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
  image: null, // as chosen.js has it
  target: null, // a class, or null: the true one, else the predicted one
  answer: null, // of /api/inside, decoded
  spot: null, // the chosen number: { layer, unit }
  number: null, // of /api/inside/pixel
  channel: 0, // of the input, whose grids are shown
  names: [],
  version: null, // of the newest model
  isShown: false,
};
let draw = null, images = null, asked = 0, hasFailed = false;

const way = () => document.querySelector('input[name="inside-way"]:checked').value;
const view = () => ({ ...state, image: state.image.pixels, way: way(), before: byId("inside-before").checked });

/** Begin: `about` as /api/about tells it. */
export function start(about) {
  const on = { pick, move };
  draw = network(byId("inside-network"), on);
  images = startChoosing(take, say);
  byId("inside-way").addEventListener("change", show);
  byId("inside-before").addEventListener("change", show);
  byId("inside-target").addEventListener("change", (event) => {
    state.target = Number(event.target.value);
    ask();
  });
  onChosen(take);
  renewed(about);
}

/** There is a newer model, or another status. */
export function renewed(about) {
  const { model } = about;
  if (!model) return empty("There is no model to look into yet: the first checkpoint is written at the end of an epoch.");
  if (state.version === model.version) return undefined;
  state.version = model.version;
  if (String(state.names) !== String(model.class_names)) {
    state.names = model.class_names;
    byId("inside-target").replaceChildren(...state.names.map((name, k) => make("option", { value: k }, name)));
  }
  return state.isShown ? begin() : undefined;
}

/** The tab is shown, or left. */
export function shown(yes) {
  state.isShown = yes;
  if (yes && state.version && state.answer?.version !== state.version) begin();
}

/** The visor answers again. */
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
  if (isError && !state.answer) empty(`${text} Draw a digit in the tab Draw, and look inside with that.`);
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
  const own = ++asked;
  hasFailed = false;
  try {
    const answer = await post("/api/inside", question());
    if (own !== asked) return;
    state.answer = decoded(answer);
    state.number = null;
    byId("inside-empty").hidden = true;
    byId("inside-all").hidden = false;
    byId("inside-target").value = answer.target;
    tell();
    state.spot = stillThere(state.spot) ? state.spot : telling();
    await look(own);
  } catch (error) {
    if (own === asked) fail(error);
  }
}

async function look(own = ++asked) {
  const { layer, unit } = state.spot;
  const number = await post("/api/inside/pixel", { ...question(), layer, unit });
  if (own !== asked) return;
  if (number.version !== state.answer.version) return ask(); // a newer model came between
  state.number = number;
  const sums = number.convolution?.channel_sums.map(Math.abs);
  state.channel = sums ? sums.indexOf(Math.max(...sums)) : 0;
  return show();
}

function tell() {
  const { answer, image, names } = state;
  const what = image.from ? image.from[0].toUpperCase() + image.from.slice(1) : "This image";
  const is = image.name === null || image.name === undefined ? "" : `, true class ${image.name},`;
  const sure = percent(answer.probabilities[answer.predicted]);
  say(`${what}${is} is read as ${names[answer.predicted]} (${sure}). Loss for target ${names[answer.target]}: −log p = ${num(answer.loss)}.`);
}

/** Whether this spot is in the network as it is now. */
function stillThere(spot) {
  return spot !== null && spot.layer < state.answer.layers.length && spot.unit < state.answer.layers[spot.layer].maps.length;
}

/** Where a filter of the first convolution that looks for an edge finds one: the filter of whose
 * weights the most cancels out, and its largest output. */
function telling() {
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
  state.spot = { layer, unit };
  const own = ++asked;
  hasFailed = false;
  try {
    await look(own);
    byId("inside-spoken").textContent = `Chosen: ${byId("inside-chosen").textContent}`;
    if (byPointer) reveal(byId("inside-chosen"));
  } catch (error) {
    if (own === asked) fail(error);
  }
}

/** Scroll to what a click has called up, where the screen does not show it. */
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
  const { shape } = answer.layers[layer], { values, symbol } = shownOf(answer.layers[layer], now.way, now.before);
  const place = isImage(shape) ? [Math.floor(unit / (shape[1] * shape[2])), Math.floor(unit / shape[2]) % shape[1], unit % shape[2]] : [unit];
  return `${placeName({ layer, place }, answer.layers)}: ${symbol} = ${num(values[unit])}`;
}

/** Everything anew, in the direction that is chosen. */
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
