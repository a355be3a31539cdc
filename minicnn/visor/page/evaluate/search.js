// A search of the test images by true class, predicted class and confidence.
import { digits } from "../digits.js";
import { byId, complain, count, make } from "../dom.js";
import { get } from "../server.js";

const PAGE = 48;
const FIELDS = ["true", "predicted", "only", "low", "high", "order"];
const BOUNDS = ["low", "high"]; // of the confidence, in percent
const field = (name) => byId(`search-${name}`);

/**
 * Begin. `other()` is called when the model that answers is another one than that of the last
 * classes(…). Returns { classes(names, version), set({ true, predicted, only }), returned() }.
 */
export function search(other) {
  let version = null;
  let names = [];
  let shown = 0;
  let number = 0; // of the newest question: an older one's answer is dropped
  let failed = null; // the offset of that question, if it has failed

  async function run(offset = 0) {
    const own = ++number;
    failed = null;
    if (!areBounds()) return forget();
    const query = new URLSearchParams({ offset, limit: PAGE });
    for (const name of FIELDS) {
      const value = field(name).value;
      if (value !== "") query.set(name, BOUNDS.includes(name) ? value / 100 : value);
    }
    try {
      const answer = await get(`/api/search?${query}`);
      if (own !== number) return;
      if (answer.version === version) show(answer.total, answer.found, offset);
      else other();
    } catch (error) {
      if (own !== number) return;
      failed = offset;
      field("line").textContent = error.message;
    }
  }

  /** What is shown fits the fields no more. */
  function forget() {
    field("line").textContent = "";
    field("found").replaceChildren();
    field("more").hidden = true;
  }

  function show(total, found, offset) {
    shown = offset + found.length;
    field("line").textContent = total ? `${count(total)} of the test images ${total === 1 ? "fits" : "fit"}.` : "No test image fits.";
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
    /** Fill in, and search. */
    set(values) {
      const all = { true: "", predicted: "", only: "all", low: 0, high: 100, ...values };
      for (const [name, value] of Object.entries(all)) field(name).value = value;
      return run();
    },
    /** The visor answers again. */
    returned() {
      if (failed !== null) run(failed);
    },
  };
}

/** Whether the confidence can be searched for; if not, it is said why. */
function areBounds() {
  const fields = BOUNDS.map(field), [low, high] = fields.map(({ value }) => value);
  const odd = fields.filter(({ value, validity }) => validity.badInput || value < 0 || value > 100);
  const areTurned = !odd.length && low !== "" && high !== "" && Number(low) > Number(high);
  let text = "";
  if (odd.length) text = `Expected a confidence from 0 to 100 %, received ${odd.map(({ value }) => (value ? `${value} %` : "no number")).join(" and ")}.`;
  if (areTurned) text = `Expected the smaller confidence first, received ${low} % to ${high} %.`;
  complain(field("wrong"), text, fields, areTurned ? fields : odd);
  return !text;
}
