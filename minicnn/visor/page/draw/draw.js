// The tab Draw: asks the network while one draws, and shows what it sees, both ways.
import { bars } from "../bars.js";
import { choose } from "../chosen.js";
import { byId, percent } from "../dom.js";
import { paintGrey } from "../pixels.js";
import { postBlob } from "../server.js";
import { keeping } from "./keep.js";
import { paper } from "./paper.js";
import { reasons } from "./reasons.js";
import { called, how } from "./words.js";

const WAYS = ["mnist", "tutorial"];
let model = null; // as /api/about tells it
let sheet = null; // the paper
let kept = null; // see keep.js
let show = {}; // way → show(probabilities) of its bars
let answer = null; // the last one
let isShown = false;

// At most one question is on its way; the newest state of the paper waits for it. When the pen is
// lifted that state has mostly been asked about already.
let isAsking = false;
let asked = ""; // what the last question was about: see subject()
let hasFailed = false; // the last question has
let isFinal = false; // no stroke is going on
let change = null; // the last one, { how, at: its time, isKnown: has its answer }; null once that is told

/** Begin: `about` as /api/about tells it. */
export function start(about) {
  sheet = paper(byId("paper"), byId("paper-pen"), changed);
  kept = keeping(() => sheet.png(), () => polarity());
  byId("draw-undo").addEventListener("click", () => sheet.undo());
  byId("draw-clear").addEventListener("click", () => sheet.clear());
  byId("draw-back").addEventListener("click", () => sheet.clear());
  byId("draw-width").addEventListener("input", ({ target }) => {
    sheet.width = Number(target.value);
    byId("draw-width-shown").textContent = target.value;
  });
  byId("draw-inside").addEventListener("click", lookInside);
  byId("draw-file").addEventListener("change", ({ target }) => take(target.files[0]));
  addEventListener("keydown", (event) => {
    if (isShown && event.key === "z" && (event.ctrlKey || event.metaKey)) sheet.undo();
  });
  takeDropsAndPastes();
  renewed(about);
}

/** The tab is shown, or left. */
export function shown(yes) {
  isShown = yes;
}

/** Another model: its classes, and its answer to what is drawn. */
export function renewed(about) {
  const before = model;
  model = about.model;
  if (!model || model.version === before?.version) {
    if (!model) say("There is no model to ask yet: the run has saved none so far.");
    return;
  }
  if (String(model.class_names) !== String(before?.class_names)) {
    for (const way of WAYS) {
      show[way] = bars(byId(`${way}-bars`), model.class_names);
      [byId(`${way}-seen`).height, byId(`${way}-seen`).width] = model.shape;
      showWay(way, {});
    }
    kept.classes(model.class_names);
  }
  tellWhatTheFirstWayIs();
  if (sheet.isEmpty) blank();
  else ask();
}

function tellWhatTheFirstWayIs() {
  const { title, as, whose } = called(model);
  byId("way-mnist").textContent = title;
  byId("mnist-seen").ariaLabel = `What the network sees, made ready as ${as}`;
  byId("mnist-bars").ariaLabel = `Probability of each class, ${whose}`;
  byId("mnist-how").textContent = how(model);
}

/** The visor answers again. */
export function returned() {
  if (hasFailed) ask();
}

const polarity = () => (sheet.photo ? null : "bright-on-dark");

function changed(how) {
  isFinal = how !== "drawing";
  const empty = sheet.isEmpty;
  change = { how, at: performance.now(), isKnown: !empty && answer !== null && !isAsking && asked === subject() };
  kept.changed();
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
  unanswered();
  if (model) say("Nothing is drawn yet.");
}

/** There is no answer to what is on the paper. */
function unanswered() {
  answer = null;
  byId("draw-inside").disabled = true;
  kept.enable(false);
  if (!model) return;
  for (const way of WAYS) showWay(way, {});
  showBox(null);
  untold();
}

/** Nothing is told of how a picture was made ready, or how long that took. */
function untold() {
  byId("mnist-how").textContent = how(model);
  byId("draw-time").textContent = "";
  delete byId("draw-time").dataset.milliseconds;
}

/** What there is to ask about now: this state of the paper, by this model. */
const subject = () => `${sheet.revision} ${model.version}`;

async function ask() {
  if (!model || isAsking) return;
  isAsking = true;
  while (!sheet.isEmpty && asked !== subject()) {
    asked = subject();
    if (await askOnce()) continue;
    asked = ""; // the next change, or lifting the pen, asks once more
    break;
  }
  isAsking = false;
  if (isFinal && answer && !sheet.isEmpty) settled();
}

/** Ask, and show the answer, or why there is none; whether there is one. */
async function askOnce() {
  try {
    const known = polarity();
    const got = await postBlob(`/api/read${known ? `?polarity=${known}` : ""}`, await sheet.png());
    if (sheet.isEmpty) return true;
    answer = got;
    for (const way of WAYS) showWay(way, got[way]);
    showBox(model.preparation ? null : got.mnist.box); // where all of it is taken there is nothing to frame
    if (hasFailed) byId("draw-error").hidden = true;
    hasFailed = false;
    return true;
  } catch (error) {
    if (sheet.isEmpty) return true;
    hasFailed = true;
    change = null; // when that is answered says nothing of how fast
    unanswered();
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
  tellWay(way, probabilities);
}

function tellWay(way, probabilities) {
  const best = probabilities ? probabilities.indexOf(Math.max(...probabilities)) : -1;
  const name = best < 0 ? "–" : model.class_names[best];
  byId(`${way}-answer`).textContent = name;
  byId(`${way}-answer`).classList.toggle("long", name.length > 2);
  byId(`${way}-sure`).textContent = best < 0 ? "" : `${percent(probabilities[best], 0)} sure`;
}

function showBox(box) {
  const frame = byId("paper-box");
  frame.hidden = !box || Boolean(sheet.photo);
  if (frame.hidden) return;
  const [top, left, bottom, right] = box.map((value) => (100 * value) / 280);
  Object.assign(frame.style, { top: `${top}%`, left: `${left}%`, height: `${bottom - top}%`, width: `${right - left}%` });
}

/** No stroke is going on, and the answer is here. */
function settled() {
  const { mnist, tutorial } = answer;
  byId("draw-inside").disabled = !mnist.pixels;
  kept.enable(Boolean(mnist.pixels));
  if (!mnist.pixels) untold();
  else if (change) tellTime(performance.now() - change.at); // else it is another model that has answered once more
  change = null;
  if (!mnist.pixels) return say("Too little is drawn to tell it from dust.");
  byId("mnist-how").textContent = how(model, mnist);
  const [first, second] = [mnist, tutorial].map(({ probabilities }) => model.class_names[probabilities.indexOf(Math.max(...probabilities))]);
  say(first === second
    ? `Both ways the network reads ${first}.`
    : `Made ready as ${called(model).as}, the network reads ${first}; as it stands, ${second}. ${reasons(mnist, model).join(" ")}`);
}

function tellTime(milliseconds) {
  const time = byId("draw-time"), whole = milliseconds.toFixed(0);
  time.dataset.milliseconds = milliseconds.toFixed(1);
  if (change.how !== "lifted") time.textContent = `Answered in ${whole} ms.`;
  else if (change.isKnown || whole === "0") time.textContent = "Answered by the time the pen was lifted.";
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

async function take(file) {
  byId("draw-file").value = "";
  if (!file) return;
  try {
    sheet.show(await createImageBitmap(file));
  } catch {
    byId("draw-error").textContent = `${file.name || "That"} can't be read as a picture. Try a PNG or a JPEG.`;
    byId("draw-error").hidden = false;
  }
}

function takeDropsAndPastes() {
  const board = document.querySelector(".board");
  for (const name of ["dragover", "dragleave", "drop"])
    addEventListener(name, (event) => {
      if (!isShown) return;
      event.preventDefault(); // or the browser would leave the page for the file
      board.classList.toggle("dropping", name === "dragover");
      if (name === "drop") take(event.dataTransfer.files[0]);
    });
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
    if (isShown && file) take(file);
  });
}
