// The tab Draw: predicts during drawing, with and without preprocessing.
import { bars } from "../bars.js";
import { choose } from "../chosen.js";
import { byId, percent } from "../dom.js";
import { paintGrey } from "../pixels.js";
import { postBlob } from "../server.js";
import { saving } from "./keep.js";
import { paper } from "./paper.js";
import { reasons } from "./reasons.js";
import { how, nameOf } from "./words.js";

const WAYS = ["mnist", "tutorial"];
let model = null; // from /api/about
let sheet = null; // see paper.js
let saved = null; // see keep.js
let show = {}; // way → show(probabilities) of its bars
let answer = null; // the last one
let isShown = false;

// At most one request is active; the newest state of the drawing follows it. When the pen is lifted,
// the request for that state has usually been sent already.
let isAsking = false;
let asked = ""; // the subject() of the last request
let hasFailed = false; // the last request
let isFinal = false; // no stroke is active
let change = null; // the last one, { how, at: its time, isKnown: has its answer }; null once reported

/** Start; `about` comes from /api/about. */
export function start(about) {
  sheet = paper(byId("paper"), byId("paper-pen"), changed);
  saved = saving(() => sheet.png(), () => polarity());
  byId("draw-undo").addEventListener("click", () => sheet.undo());
  byId("draw-clear").addEventListener("click", () => sheet.clear());
  byId("draw-back").addEventListener("click", () => sheet.clear());
  byId("draw-width").addEventListener("input", ({ target }) => {
    sheet.width = Number(target.value);
    byId("draw-width-shown").textContent = target.value;
  });
  byId("draw-inside").addEventListener("click", lookInside);
  byId("draw-file").addEventListener("change", ({ target }) => openPhoto(target.files[0]));
  addEventListener("keydown", (event) => {
    if (isShown && event.key === "z" && (event.ctrlKey || event.metaKey)) sheet.undo();
  });
  listenForDropsAndPastes();
  renewed(about);
}

/** The tab is shown or hidden. */
export function shown(yes) {
  isShown = yes;
}

/** A newer model: show its classes and its answer for the drawing. */
export function renewed(about) {
  const before = model;
  model = about.model;
  if (!model || model.version === before?.version) {
    if (!model) say("There is no model yet: the first checkpoint is saved after the first epoch.");
    return;
  }
  if (String(model.class_names) !== String(before?.class_names)) {
    for (const way of WAYS) {
      show[way] = bars(byId(`${way}-bars`), model.class_names);
      [byId(`${way}-seen`).height, byId(`${way}-seen`).width] = model.shape;
      showWay(way, {});
    }
    saved.classes(model.class_names);
  }
  describePreprocessing();
  if (sheet.isEmpty) blank();
  else ask();
}

function describePreprocessing() {
  const name = nameOf(model);
  byId("way-mnist").textContent = name;
  byId("mnist-seen").ariaLabel = `Input of the network: ${name}`;
  byId("mnist-bars").ariaLabel = `Probability of each class: ${name}`;
  byId("mnist-how").textContent = how(model);
}

/** The server answers again. */
export function returned() {
  if (hasFailed) ask();
}

const polarity = () => (sheet.photo ? null : "bright-on-dark");

function changed(how) {
  isFinal = how !== "drawing";
  const empty = sheet.isEmpty;
  change = { how, at: performance.now(), isKnown: !empty && answer !== null && !isAsking && asked === subject() };
  saved.changed();
  byId("draw-undo").disabled = empty || Boolean(sheet.photo);
  byId("draw-clear").disabled = empty;
  byId("paper-hint").hidden = !empty;
  byId("draw-photo").hidden = !sheet.photo;
  if (isFinal) byId("draw-error").hidden = true;
  if (empty) blank();
  else ask();
}

function blank() {
  hasFailed = false;
  clearAnswer();
  if (model) say("Nothing drawn yet.");
}

/** There is no answer for the drawing. */
function clearAnswer() {
  answer = null;
  byId("draw-inside").disabled = true;
  saved.enable(false);
  if (!model) return;
  for (const way of WAYS) showWay(way, {});
  showBox(null);
  clearDetails();
}

/** Show no details of the preprocessing and no time. */
function clearDetails() {
  byId("mnist-how").textContent = how(model);
  byId("draw-time").textContent = "";
  delete byId("draw-time").dataset.milliseconds;
}

/** Identifies the current drawing and model. */
const subject = () => `${sheet.revision} ${model.version}`;

async function ask() {
  if (!model || isAsking) return;
  isAsking = true;
  while (!sheet.isEmpty && asked !== subject()) {
    asked = subject();
    if (await askOnce()) continue;
    asked = ""; // the next change, or lifting the pen, asks again
    break;
  }
  isAsking = false;
  if (isFinal && answer && !sheet.isEmpty) showResult();
}

/** Ask once and show the answer or the error; returns whether there is an answer. */
async function askOnce() {
  try {
    const known = polarity();
    const got = await postBlob(`/api/read${known ? `?polarity=${known}` : ""}`, await sheet.png());
    if (sheet.isEmpty) return true;
    answer = got;
    for (const way of WAYS) showWay(way, got[way]);
    showBox(model.preparation ? null : got.mnist.box); // no box if nothing is cropped
    if (hasFailed) byId("draw-error").hidden = true;
    hasFailed = false;
    return true;
  } catch (error) {
    if (sheet.isEmpty) return true;
    hasFailed = true;
    change = null; // the time of a later answer would be meaningless
    clearAnswer();
    say("");
    byId("draw-error").textContent = error.message;
    byId("draw-error").hidden = false;
    return false;
  }
}

function showWay(way, { pixels, probabilities }) {
  show[way](probabilities ?? null);
  const seen = byId(`${way}-seen`);
  paintGrey(seen, pixels ?? new Float32Array(seen.width * seen.height));
  describeWay(way, probabilities);
}

function describeWay(way, probabilities) {
  const best = probabilities ? probabilities.indexOf(Math.max(...probabilities)) : -1;
  const name = best < 0 ? "–" : model.class_names[best];
  byId(`${way}-answer`).textContent = name;
  byId(`${way}-answer`).classList.toggle("long", name.length > 2);
  byId(`${way}-confidence`).textContent = best < 0 ? "" : `${percent(probabilities[best], 0)} confidence`;
}

function showBox(box) {
  const frame = byId("paper-box");
  frame.hidden = !box || Boolean(sheet.photo);
  if (frame.hidden) return;
  const [top, left, bottom, right] = box.map((value) => (100 * value) / 280);
  Object.assign(frame.style, { top: `${top}%`, left: `${left}%`, height: `${bottom - top}%`, width: `${right - left}%` });
}

/** Show the final answer, when no stroke is active. */
function showResult() {
  const { mnist, tutorial } = answer;
  byId("draw-inside").disabled = !mnist.pixels;
  saved.enable(Boolean(mnist.pixels));
  if (!mnist.pixels) clearDetails();
  else if (change) showTime(performance.now() - change.at); // else a newer model has answered
  change = null;
  if (!mnist.pixels) return say("Not enough ink: draw a larger digit.");
  byId("mnist-how").textContent = how(model, mnist);
  const [first, second] = [mnist, tutorial].map(({ probabilities }) => model.class_names[probabilities.indexOf(Math.max(...probabilities))]);
  say(first === second
    ? `Prediction: ${first}, with and without preprocessing.`
    : `With ${nameOf(model).replace(/^P/, "p")}: ${first}. Without: ${second}. ${reasons(mnist, model).join(" ")}`);
}

function showTime(milliseconds) {
  const time = byId("draw-time"), whole = milliseconds.toFixed(0);
  time.dataset.milliseconds = milliseconds.toFixed(1);
  if (change.how !== "lifted") time.textContent = `Answered in ${whole} ms.`;
  else if (change.isKnown || whole === "0") time.textContent = "Answered before the pen was lifted.";
  else time.textContent = `Answered ${whole} ms after the pen was lifted.`;
}

function say(text) {
  const line = byId("draw-answer");
  if (line.textContent !== text) line.textContent = text;
}

function lookInside() {
  if (answer?.mnist.pixels) choose({ pixels: answer.mnist.pixels, name: null, true: null, from: "your drawing" });
}

// ---- photos ----

async function openPhoto(file) {
  byId("draw-file").value = "";
  if (!file) return;
  try {
    sheet.show(await createImageBitmap(file));
  } catch {
    byId("draw-error").textContent = `${file.name || "This file"} can't be read as a picture. Try a PNG or a JPEG.`;
    byId("draw-error").hidden = false;
  }
}

function listenForDropsAndPastes() {
  const board = document.querySelector(".board");
  for (const name of ["dragover", "dragleave", "drop"])
    addEventListener(name, (event) => {
      if (!isShown) return;
      event.preventDefault(); // else the browser opens the file instead of the page
      board.classList.toggle("dropping", name === "dragover");
      if (name === "drop") openPhoto(event.dataTransfer.files[0]);
    });
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
    if (isShown && file) openPhoto(file);
  });
}
