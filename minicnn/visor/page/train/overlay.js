// Earlier runs to compare in the charts.
import { byId, make, percent } from "../dom.js";
import { get } from "../server.js";

const MOST = 4; // runs that can still be distinguished

/** The list of earlier runs; calls `changed()` on a new choice. Returns () → [{ name, columns, place }]. */
export function overlay(changed) {
  const details = byId("train-runs"), list = byId("train-runs-list");
  const chosen = new Map(); // name → { name, columns, place }
  let isListed = false;

  details.addEventListener("toggle", async () => {
    if (!details.open || isListed) return;
    try {
      show(await get("/api/runs"));
      isListed = true;
    } catch (error) {
      list.replaceChildren(make("p", { class: "error", role: "alert" }, error.message));
    }
  });

  function show(runs) {
    if (!runs.length) return list.replaceChildren(make("p", { class: "soft" }, "This folder has no other run with curves."));
    const note = make("p", { class: "soft", role: "status" }, `Up to ${MOST} at a time.`);
    const items = runs.map((run) => make("li", {}, make("label", {}, box(run, note), make("span", {}, make("b", {}, run.name), ` ${about(run)}`))));
    return list.replaceChildren(note, make("ul", { class: "train-runs" }, ...items));
  }

  function box(run, note) {
    const made = make("input", { type: "checkbox", name: run.name });
    made.addEventListener("change", async () => {
      try {
        note.textContent = `Up to ${MOST} at a time.`;
        if (made.checked) await choose(run.name);
        else chosen.delete(run.name);
      } catch (error) {
        made.checked = false;
        note.textContent = error.message;
      }
      for (const other of list.querySelectorAll("input")) other.disabled = chosen.size >= MOST && !other.checked;
      changed();
    });
    return made;
  }

  async function choose(name) {
    const taken = [...chosen.values()].map(({ place }) => place);
    const place = [...Array(MOST).keys()].find((n) => !taken.includes(n));
    chosen.set(name, { name, columns: { epoch: [] }, place }); // reserves its place
    try {
      chosen.get(name).columns = await get(`/api/runs/${encodeURIComponent(name)}/history`);
    } catch (error) {
      chosen.delete(name);
      throw error;
    }
  }

  return () => [...chosen.values()].filter(({ columns }) => columns.epoch?.length);
}

const about = ({ model, status, accuracy, started }) =>
  [model, status, accuracy === null ? null : `${percent(accuracy, 2)} accuracy`, started.slice(0, 16).replace("T", " ")].filter(Boolean).join(" · ");
