// Choosing a test image: by number, at random, or the next misclassified one.
import { byId, count, fieldError } from "../dom.js";
import { get } from "../server.js";

/**
 * Handle the buttons. take(image) receives an image as in chosen.js, say(text, isError) a message.
 * Returns { first(): shows test image 0, returned() }.
 */
export function startChoosing(take, say) {
  let total = null, mistakes = null, next = 0, requests = 0;
  let failed = null; // the image whose request failed last

  async function load(row) {
    const own = ++requests;
    failed = null;
    try {
      const digit = await get(`/api/digits/${row}`);
      if (own !== requests) return;
      total = digit.count;
      byId("inside-row").max = total - 1;
      byId("inside-row").value = row;
      showError("");
      take({ pixels: digit.pixels, name: digit.name, true: digit.true, from: `test image ${row}` });
    } catch (error) {
      if (own !== requests) return;
      failed = row;
      say(error.message, true);
    }
  }

  /** Load the image whose number is in the field. */
  async function loadTyped() {
    const { value } = byId("inside-row");
    try {
      total ??= (await get("/api/digits/0")).count;
    } catch (error) {
      return say(error.message, true);
    }
    const isValid = /^\d{1,9}$/.test(value) && Number(value) < total;
    showError(isValid ? "" : `Expected a test image from 0 to ${count(total - 1)}, received ${value || "no number"}.`);
    return isValid && load(Number(value));
  }

  const another = async () => {
    if (total === null) await load(0);
    if (total !== null) await load(Math.floor(Math.random() * total));
  };

  async function nextMistake() {
    try {
      mistakes = (await get("/api/search?only=wrong&order=most_confident&limit=100")).found.map(({ row }) => row);
    } catch {
      return another(); // the mistakes are not available
    }
    if (!mistakes.length) return say("No test image is misclassified.");
    return load(mistakes[next++ % mistakes.length]);
  }

  byId("inside-another").addEventListener("click", another);
  byId("inside-mistake").addEventListener("click", nextMistake);
  byId("inside-row").addEventListener("change", loadTyped);
  return {
    first: () => load(0),
    /** The server answers again. */
    returned() {
      if (failed !== null) load(failed);
    },
  };
}

function showError(text) {
  const field = byId("inside-row");
  fieldError(byId("inside-row-error"), text, [field], text ? [field] : []);
}
