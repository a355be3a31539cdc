// The tab Train: the run so far, with live updates.
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

const OLD = "This run has no records of its batches (it is from an older release of minicnn). The curves show the epochs in history.csv.";

const history = new History();
let about = null;
let views = []; // of the history
let showLayers = null;
let now = null; // the tiles

/** Start; `info` comes from /api/about. */
export function start(info) {
  about = info;
  byId(about.kind === "run" ? "train-run" : "train-none").hidden = false;
  if (about.kind !== "run") return;
  now = tiles();
  const showControls = controls();
  const state = budget(byId("train-run"), () => { // at any scroll position: screen readers announce its text
    now.show(history, about);
    showControls(history, about);
  }, 1000);
  const others = overlay(() => charts.now());
  const charts = curves(history, others);
  views = [state, charts, numbers(history), mistakes(history, () => about.model?.class_names)];
  showLayers = layers();
  draw();
  loadColumns();
}

/** The run has another status or a newer model. */
export function renewed(info) {
  about = info;
  if (about.kind !== "run") return;
  draw();
  if (!history.records) loadColumns();
}

/** A line of live.jsonl. */
export function record(line) {
  if (!history.records) forget(); // the columns of history.csv
  history.take(line);
  draw();
}

/** live.jsonl was started again. */
export function reset() {
  forget();
  draw();
}

/** Files in the run's folder were written. */
export function changed(times) {
  if (times["layers.json"]) showLayers(times["layers.json"]);
}

/** The stream of events is connected or lost. */
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

/** Load history.csv for a run without records. */
async function loadColumns() {
  try {
    const { live, columns } = await get("/api/history");
    byId("train-curves-note").textContent = ""; // clears an error
    if (live || history.records || !columns.epoch?.length) return;
    history.takeColumns(columns);
    byId("train-curves-note").textContent = OLD;
    draw();
  } catch (error) {
    byId("train-curves-note").textContent = error.message;
  }
}
