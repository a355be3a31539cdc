// The tab Train: the run so far and as it goes on.
import { byId } from "../dom.js";
import { get } from "../server.js";
import { budget } from "./budget.js";
import { controls } from "./controls.js";
import { curves } from "./curves.js";
import { History } from "./history.js";
import { layers } from "./layers.js";
import { mistakes } from "./mistakes.js";
import { numbers } from "./numbers.js";
import { overlay } from "./overlay.js";
import { tiles } from "./tiles.js";

const OLD = "This run has left no records of its batches (an older release of minicnn made it): these are its epochs, out of history.csv.";

const history = new History();
let about = null;
let views = []; // what is drawn of the history
let showLayers = null;
let now = null; // the tiles

/** Begin: `about` as /api/about tells it. */
export function start(told) {
  about = told;
  byId(about.kind === "run" ? "train-run" : "train-none").hidden = false;
  if (about.kind !== "run") return;
  now = tiles();
  const showControls = controls();
  const state = budget(byId("train-run"), () => { // wherever one has scrolled to: its words are read out
    now.show(history, about);
    showControls(history, about);
  }, 1000);
  const others = overlay(() => charts.now());
  const charts = curves(history, others);
  views = [state, charts, numbers(history), mistakes(history, () => about.model?.class_names)];
  showLayers = layers();
  draw();
  lookForColumns();
}

/** The run has another status, or a newer model. */
export function renewed(told) {
  about = told;
  if (about.kind !== "run") return;
  draw();
  if (!history.records) lookForColumns();
}

/** A line of live.jsonl. */
export function record(line) {
  if (!history.records) forget(); // columns, that is
  history.take(line);
  draw();
}

/** The file begins anew. */
export function anew() {
  forget();
  draw();
}

/** Files of the run's folder are new. */
export function changed(marks) {
  if (marks["layers.json"]) showLayers(marks["layers.json"]);
}

/** The stream of events is there, or was lost. */
export function connected(yes) {
  now.stale(!yes);
}

function draw() {
  for (const view of views) view.request();
}

function forget() {
  history.forget();
  byId("train-curves-note").textContent = "";
}

/** What a run without records has: its history.csv. */
async function lookForColumns() {
  try {
    const { live, columns } = await get("/api/history");
    byId("train-curves-note").textContent = ""; // it may have said why there was no answer
    if (live || history.records || !columns.epoch?.length) return;
    history.takeColumns(columns);
    byId("train-curves-note").textContent = OLD;
    draw();
  } catch (error) {
    byId("train-curves-note").textContent = error.message;
  }
}
