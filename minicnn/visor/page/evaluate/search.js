// A search of the test images by true class, predicted class and confidence.
import { digits } from "../digits.js";
import { byId, count, fieldError, make } from "../dom.js";
import { get } from "../server.js";

const PAGE = 48;
const FIELDS = ["true", "predicted", "only", "low", "high", "order"];
const BOUNDS = ["low", "high"]; // of the confidence, in percent
const field = (name) => byId(`search-${name}`);

/**
 * Start. Calls `changed()` when an answer comes from another model than that of the last classes(…).
 * Returns { classes(names, version), set({ true, predicted, only }), returned() }.
 */
export function search(changed) {
  let version = null;
  let names = [];
  let shown = 0;
  let requests = 0; // older answers are dropped
  let failed = null; // the offset of the newest request if it failed

  async function run(offset = 0) {
    const own = ++requests;
    failed = null;
    if (!checkBounds()) return clear();
    const query = new URLSearchParams({ offset, limit: PAGE });
    for (const name of FIELDS) {
      const value = field(name).value;
      if (value !== "") query.set(name, BOUNDS.includes(name) ? value / 100 : value);
    }
    try {
      const answer = await get(`/api/search?${query}`);
      if (own !== requests) return;
      if (answer.version === version) show(answer.total, answer.found, offset);
      else changed();
    } catch (error) {
      if (own !== requests) return;
      failed = offset;
      field("line").textContent = error.message;
    }
  }

  /** Remove results that do not match the fields. */
  function clear() {
    field("line").textContent = "";
    field("found").replaceChildren();
    field("more").hidden = true;
  }

  function show(total, found, offset) {
    shown = offset + found.length;
    field("line").textContent = total ? `${count(total)} matching test ${total === 1 ? "image" : "images"}.` : "No matching test images.";
    const list = found.length ? [digits(found, names)] : [];
    if (offset) field("found").append(...list);
    else field("found").replaceChildren(...list);
    field("more").hidden = shown >= total;
  }

  for (const name of FIELDS) field(name).addEventListener("change", () => run());
  byId("search").addEventListener("submit", (event) => event.preventDefault());
  field("more").addEventListener("click", () => run(shown));

  return {
    /** The classes to choose from, and the version of the model that is searched. */
    classes(given, of) {
      names = given;
      version = of;
      for (const name of ["true", "predicted"]) {
        const before = field(name).value;
        field(name).replaceChildren(make("option", { value: "" }, "any"), ...names.map((text, k) => make("option", { value: k }, text)));
        field(name).value = before;
      }
    },
    /** Set the fields and search. */
    set(values) {
      const all = { true: "", predicted: "", only: "all", low: 0, high: 100, ...values };
      for (const [name, value] of Object.entries(all)) field(name).value = value;
      return run();
    },
    /** The server answers again. */
    returned() {
      if (failed !== null) run(failed);
    },
  };
}

/** Whether the confidence bounds are valid; shows an error if not. */
function checkBounds() {
  const fields = BOUNDS.map(field), [low, high] = fields.map(({ value }) => value);
  const invalid = fields.filter(({ value, validity }) => validity.badInput || value < 0 || value > 100);
  const areSwapped = !invalid.length && low !== "" && high !== "" && Number(low) > Number(high);
  let text = "";
  if (invalid.length) text = `Expected a confidence from 0 to 100 %, received ${invalid.map(({ value }) => (value ? `${value} %` : "no number")).join(" and ")}.`;
  if (areSwapped) text = `Expected the smaller confidence first, received ${low} % to ${high} %.`;
  fieldError(field("error"), text, fields, areSwapped ? fields : invalid);
  return !text;
}
