// Pause, continue, stop and save: asked of the training process; what it does is seen in the records.
import { byId } from "../dom.js";
import { post } from "../server.js";
import { phase } from "./tiles.js";

const PATIENCE = 10_000; // milliseconds, until one may ask again
const OVER = "The run is over: there is nothing to pause or to stop.";
const ALONE = "This run was started without --visor, so it can't be paused from here; Ctrl-C in its terminal stops it and saves the model.";

/** Set the buttons up; returns show(history, about). */
export function controls() {
  const toggle = byId("train-toggle"), stop = byId("train-stop"), sure = byId("train-sure"), told = byId("train-told");
  let asked = null; // the word that was sent, until it shows
  let now = null;

  async function send(word, saying) {
    asked = word;
    told.textContent = saying;
    told.classList.remove("error");
    refresh();
    const since = asked;
    setTimeout(() => answered(since, ""), PATIENCE);
    try {
      await post("/api/control", { command: word });
    } catch (error) {
      answered(word, error.message);
      told.classList.add("error");
    }
  }

  function answered(word, saying) {
    if (asked !== word) return;
    asked = null;
    told.textContent = saying;
    refresh();
  }

  function refresh() {
    const isPaused = now === "paused";
    toggle.textContent = isPaused ? "Continue" : "Pause";
    const isOver = !["running", "paused"].includes(now);
    toggle.disabled = isOver || asked !== null;
    stop.disabled = isOver || asked === "stop";
    if (isOver) confirming(false);
  }

  function confirming(yes) {
    const hadFocus = sure.contains(document.activeElement);
    sure.hidden = !yes;
    stop.setAttribute("aria-expanded", String(yes));
    if (yes) byId("train-stop-no").focus();
    else if (hadFocus) stop.focus();
  }

  toggle.addEventListener("click", () => {
    if (now === "paused") send("continue", "Asked to go on …");
    else send("pause", "Asked to pause; the batch comes to its end first …");
  });
  stop.addEventListener("click", () => confirming(sure.hidden));
  byId("train-stop-no").addEventListener("click", () => confirming(false));
  byId("train-stop-yes").addEventListener("click", () => {
    confirming(false);
    send("stop", "Asked to stop; the model is saved then …");
  });
  sure.addEventListener("keydown", ({ key }) => key === "Escape" && confirming(false));

  return (history, about) => {
    const before = now;
    now = phase(history, about.status);
    if (now !== before) answered(asked, "");
    byId("train-buttons").hidden = !about.controls;
    const isOver = !["waiting", "running", "paused"].includes(now);
    // buttons that can't be pressed, or that one may miss, are explained
    byId("train-why").textContent = isOver === about.controls ? (isOver ? OVER : ALONE) : "";
    refresh();
  };
}
