// The page's beginning: what it is about, its tabs, and the stream of what happens in the run.
import { byId, count, notice, percent } from "./dom.js";
import { follow } from "./events.js";
import { get, onReturn } from "./server.js";
import { onTab, startTabs } from "./tabs.js";
import * as train from "./train/train.js";
import * as evaluate from "./evaluate/evaluate.js";
import * as draw from "./draw/draw.js";
import * as inside from "./inside/inside.js";

// A tab's module exports start(about) and may export:
//   shown(yes)      the tab is shown, or left
//   renewed(about)  the run has another status or a newer model
//   returned()      the visor answers again: ask once more what it did not answer
//   record(line), anew(), changed(marks), connected(yes)   see events.js
const TABS = { train, evaluate, draw, inside };
const AGAIN = 3000; // milliseconds, until a visor that did not answer is asked once more
const tell = (hook, ...values) => Object.values(TABS).forEach((tab) => tab[hook]?.(...values));

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

async function renew() {
  try {
    const about = await get("/api/about");
    notice("");
    show(about);
    tell("renewed", about);
  } catch (error) {
    notice(error.message);
  }
}

let isStarted = false;

async function begin() {
  try {
    const about = await get("/api/about");
    notice("");
    show(about);
    isStarted = true;
    tell("start", about);
    for (const [name, tab] of Object.entries(TABS)) if (tab.shown) onTab(name, tab.shown);
    startTabs();
    onReturn(async () => {
      await renew();
      tell("returned");
    });
    if (about.kind === "run") followRun();
  } catch (error) {
    notice(error.message);
    if (!isStarted) setTimeout(begin, AGAIN);
  }
}

function followRun() {
  let renewing = null;
  follow({
    record: (record) => tell("record", record),
    anew: () => tell("anew"),
    changed(marks) {
      tell("changed", marks);
      renewing ??= setTimeout(() => { renewing = null; renew(); }, 1000);
    },
    connected(yes) {
      notice(yes ? "" : "The connection to the visor is lost; seeking it again …");
      tell("connected", yes);
    },
  });
}

begin();
