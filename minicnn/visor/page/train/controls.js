// Pause, continue, stop and save: commands to the training process; the records show their effect.
import { byId } from "../dom.js";
import { post } from "../server.js";
import { phase } from "./tiles.js";

const TIMEOUT = 10_000; // milliseconds until another command is allowed
const ENDED = "The run has ended: there is nothing to pause or stop.";
const NO_CONTROL = "This run was started without --visor, so it can't be paused from here; Ctrl-C in its terminal stops it and saves the model.";

/** Set up the buttons; returns show(history, about). */
export function controls() {
  const toggle = byId("train-toggle"), stop = byId("train-stop"), sure = byId("train-sure"), message = byId("train-message");
  let sent = null; // the command that has no effect yet
  let now = null;

  async function send(command, text) {
    sent = command;
    message.textContent = text;
    message.classList.remove("error");
    refresh();
    setTimeout(() => done(command, ""), TIMEOUT);
    try {
      await post("/api/control", { command });
    } catch (error) {
      done(command, error.message);
      message.classList.add("error");
    }
  }

  function done(command, text) {
    if (sent !== command) return;
    sent = null;
    message.textContent = text;
    refresh();
  }

  function refresh() {
    const isPaused = now === "paused";
    toggle.textContent = isPaused ? "Continue" : "Pause";
    const isOver = !["running", "paused"].includes(now);
    toggle.disabled = isOver || sent !== null;
    stop.disabled = isOver || sent === "stop";
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
    if (now === "paused") send("continue", "Continuing …");
    else send("pause", "Pausing after this batch …");
  });
  stop.addEventListener("click", () => confirming(sure.hidden));
  byId("train-stop-no").addEventListener("click", () => confirming(false));
  byId("train-stop-yes").addEventListener("click", () => {
    confirming(false);
    send("stop", "Stopping and saving the model …");
  });
  sure.addEventListener("keydown", ({ key }) => key === "Escape" && confirming(false));

  return (history, about) => {
    const before = now;
    now = phase(history, about.status);
    if (now !== before) done(sent, "");
    byId("train-buttons").hidden = !about.controls;
    const isOver = !["waiting", "running", "paused"].includes(now);
    // explain disabled or missing buttons
    byId("train-why").textContent = isOver === about.controls ? (isOver ? ENDED : NO_CONTROL) : "";
    refresh();
  };
}
