// What the run does now, in a line of words, a bar and a few numbers.
import { byId, count, duration, make } from "../dom.js";
import { pace } from "./pace.js";
import { short, title, value } from "./words.js";

// What the page's own figure for the speed is. That of a whole run is in run.json once it is over; the
// page's own, which knows no better, has some of what callbacks do between epochs in it.
const SPEEDS = { running: "now", paused: "before the pause" };
const QUIET = 60_000; // milliseconds without news, until that is said

/** What a run is doing: a word for itself, one of PHASES. */
export function phase(history, status) {
  if (status && status !== "running") return status;
  if (history.ended) return history.ended.failed ? "failed" : "saving";
  if (history.paused) return "paused";
  return history.begun ? "running" : "waiting";
}

const PHASES = {
  waiting: ["Not begun yet", "Data and kernels are made ready."],
  running: ["Training", ""],
  paused: ["Paused", "Training waits, and goes on where it is."],
  saving: ["Saving", "Training is over; the model is saved and tested."],
  failed: ["Broken off", "An error ended training; its terminal says which."],
  finished: ["Finished", ""],
  stopped: ["Stopped", "It goes on with: python -m minicnn.train --resume FOLDER"],
  diverged: ["Diverged", "The loss is not a finite number any more. Try a lower learning rate: --lr."],
};

/** Fill the tiles in; returns show(history, about). `stale(yes)`: the connection is lost. */
export function tiles() {
  let metrics = null, news = null;
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
    if (history.records !== news) told(history, now);
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
  function told(history, now) {
    news = history.records;
    clearTimeout(timer);
    set(byId("train-quiet"), "");
    if (now !== "running") return;
    timer = setTimeout(() => set(byId("train-quiet"), "Nothing new for a minute: the end of an epoch takes long, or the run was killed."), QUIET);
  }

  return { show, stale: (yes) => byId("train-now").classList.toggle("stale", yes) };
}

function showBar(history, { epoch, epochs, share }) {
  const bar = byId("train-progress"), known = history.epochs.x.length;
  bar.value = share ?? (known ? 1 : 0);
  const done = `${count(known)} of ${count(epochs ?? known)} epochs`;
  set(byId("train-epoch"), epoch === null || history.ended ? done : `Epoch ${count(epoch)} of ${count(epochs)}`);
}

/** Change a text, if it is another: screen readers are told of each change. */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
