// Starts the page: its title, its tabs, and the stream of events of the run.
import { byId, count, notice, percent } from "./dom.js";
import { follow } from "./events.js";
import { get, onReturn } from "./server.js";
import { onTab, startTabs } from "./tabs.js";
import * as train from "./train/train.js";
import * as evaluate from "./evaluate/evaluate.js";
import * as draw from "./draw/draw.js";
import * as inside from "./inside/inside.js";

// A tab's module exports start(about) and may export:
//   shown(yes)      the tab is shown or hidden
//   renewed(about)  the run has another status or a newer model
//   returned()      the server answers again: repeat requests that failed
//   record(line), reset(), changed(times), connected(yes)   see events.js
const TABS = { train, evaluate, draw, inside };
const RETRY = 3000; // milliseconds
const notify = (hook, ...values) => Object.values(TABS).forEach((tab) => tab[hook]?.(...values));

function show(about) {
  byId("subject-name").textContent = about.name;
  document.title = `${about.name} – minicnn visor`;
  const { model } = about;
  byId("subject-state").textContent = [
    about.status,
    model ? `${model.name}, ${count(model.parameters)} parameters` : "no model yet",
    model && about.kind === "run" && !model.finished ? `as of ${model.file}` : null,
    Number.isFinite(about.accuracy) ? `${percent(about.accuracy, 2)} on its test images` : null,
  ].filter(Boolean).join(" · ");
  if (model) document.documentElement.style.setProperty("--image-ratio", model.shape[0] / model.shape[1]);
}

async function update() {
  try {
    const about = await get("/api/about");
    notice("");
    show(about);
    notify("renewed", about);
  } catch (error) {
    notice(error.message);
  }
}

let isStarted = false;

async function start() {
  try {
    const about = await get("/api/about");
    notice("");
    show(about);
    isStarted = true;
    notify("start", about);
    for (const [name, tab] of Object.entries(TABS)) if (tab.shown) onTab(name, tab.shown);
    startTabs();
    onReturn(async () => {
      await update();
      notify("returned");
    });
    if (about.kind === "run") followRun();
  } catch (error) {
    notice(error.message);
    if (!isStarted) setTimeout(start, RETRY);
  }
}

function followRun() {
  let updating = null;
  follow({
    record: (record) => notify("record", record),
    reset: () => notify("reset"),
    changed(times) {
      notify("changed", times);
      updating ??= setTimeout(() => { updating = null; update(); }, 1000);
    },
    connected(yes) {
      notice(yes ? "" : "Connection to the visor lost; reconnecting …");
      notify("connected", yes);
    },
  });
}

start();
