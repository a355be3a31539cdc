// The current state of the run: a line of text, a progress bar and a few numbers.
import { byId, count, duration, make } from "../dom.js";
import { pace } from "./pace.js";
import { short, title, value } from "./words.js";

// How the page labels its own estimate of the speed, which includes some time of callbacks between
// epochs. After the end of a run the exact speed is in run.json.
const SPEEDS = { running: "now", paused: "before the pause" };
const QUIET = 60_000; // milliseconds without news before a note appears

/** The phase of the run, a key of PHASES. */
export function phase(history, status) {
  if (status && status !== "running") return status;
  if (history.ended) return history.ended.failed ? "failed" : "saving";
  if (history.paused) return "paused";
  return history.begun ? "running" : "waiting";
}

const PHASES = {
  waiting: ["Not started yet", "Preparing data and kernels."],
  running: ["Training", ""],
  paused: ["Paused", "Training can continue at any time."],
  saving: ["Saving", "Saving and testing the model."],
  failed: ["Failed", "Training ended with an error; its terminal shows it."],
  finished: ["Finished", ""],
  stopped: ["Stopped", "Resume it with: python -m minicnn.train --resume FOLDER"],
  diverged: ["Diverged", "The loss is not finite. Try a lower learning rate: --lr."],
};

/** Create the tiles; returns { show(history, about), stale(yes: the connection is lost) }. */
export function tiles() {
  let metrics = null, shownRecords = null;
  const cells = {};

  function build(names) {
    metrics = names;
    const rows = [["speed", "Images/s"], ["left", "Time left"], ["rate", "Learning rate"], ...names.map((name) => [name, title(name)])];
    byId("train-tiles").replaceChildren(...rows.map(([key, name]) => {
      cells[key] = { name: make("dt", {}, name), main: make("dd", {}, "–"), under: make("dd", { class: "under" }) };
      return make("div", { "data-tile": key }, ...Object.values(cells[key]));
    }));
  }

  function show(history, { status, folder, images_per_second: written }) {
    const names = history.metrics.length ? history.metrics : ["loss", "accuracy"];
    if (String(names) !== String(metrics)) build(names);
    const now = phase(history, status), speed = pace(history), [word, more] = PHASES[now] ?? [now, ""];
    set(byId("train-phase"), word);
    set(byId("train-more"), [history.ended?.reason, more.replace("FOLDER", folder)].filter(Boolean).join(". ").replace(/^./, (letter) => letter.toUpperCase()));
    if (history.records !== shownRecords) restartTimer(history, now);
    showBar(history, speed);
    const isOver = !["running", "paused", "waiting"].includes(now);
    const rate = (isOver ? written : null) ?? speed.imagesPerSecond;
    set(cells.speed.main, rate ? count(Math.round(rate)) : "–");
    set(cells.speed.under, rate && rate !== written ? SPEEDS[now] ?? "about" : "");
    set(cells.left.name, isOver ? "Training time" : "Time left");
    set(cells.left.main, duration(isOver ? speed.seconds ?? NaN : speed.secondsLeft ?? NaN));
    set(cells.left.under, !isOver && speed.seconds !== null ? `so far ${duration(speed.seconds)}` : "");
    set(cells.rate.main, short(history.newest("learning_rate")));
    for (const name of metrics) {
      set(cells[name].main, value(name, history.newest(name)));
      const validation = history.newest(`val_${name}`);
      set(cells[name].under, validation === null ? "" : `validation ${value(name, validation)}`);
    }
  }

  let timer = null;
  function restartTimer(history, now) {
    shownRecords = history.records;
    clearTimeout(timer);
    set(byId("train-quiet"), "");
    if (now !== "running") return;
    timer = setTimeout(() => set(byId("train-quiet"), "No news for a minute: a long validation, or the run was killed."), QUIET);
  }

  return { show, stale: (yes) => byId("train-now").classList.toggle("stale", yes) };
}

function showBar(history, { epoch, epochs, share }) {
  const bar = byId("train-progress"), known = history.epochs.x.length;
  bar.value = share ?? (known ? 1 : 0);
  const done = `${count(known)} of ${count(epochs ?? known)} epochs`;
  set(byId("train-epoch"), epoch === null || history.ended ? done : `Epoch ${count(epoch)} of ${count(epochs)}`);
}

/** Set a text only if it differs: screen readers announce every change. */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
