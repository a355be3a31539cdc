// Which test image is looked into: by its number, another one, or one that was misread.
import { byId, complain, count } from "../dom.js";
import { get } from "../server.js";

/**
 * Listen to the buttons. take(image) gets an image as chosen.js has it, say(text, isError) what can't be
 * had. Returns { first(): shows test image 0, returned() }.
 */
export function startChoosing(take, say) {
  let total = null, wrong = null, next = 0, asked = 0;
  let failed = null; // the image that could not be had last

  async function load(row) {
    const own = ++asked;
    failed = null;
    try {
      const digit = await get(`/api/digits/${row}`);
      if (own !== asked) return;
      total = digit.count;
      byId("inside-row").max = total - 1;
      byId("inside-row").value = row;
      complainOf("");
      take({ pixels: digit.pixels, name: digit.name, true: digit.true, from: `test image ${row}` });
    } catch (error) {
      if (own !== asked) return;
      failed = row;
      say(error.message, true);
    }
  }

  /** The image whose number stands in the field, if there is one. */
  async function wanted() {
    const { value } = byId("inside-row");
    try {
      total ??= (await get("/api/digits/0")).count;
    } catch (error) {
      return say(error.message, true);
    }
    const isThere = /^\d{1,9}$/.test(value) && Number(value) < total;
    complainOf(isThere ? "" : `Expected a test image from 0 to ${count(total - 1)}, received ${value || "no number"}.`);
    return isThere && load(Number(value));
  }

  const another = async () => {
    if (total === null) await load(0);
    if (total !== null) await load(Math.floor(Math.random() * total));
  };

  async function misread() {
    try {
      wrong = (await get("/api/search?only=wrong&order=surest&limit=100")).found.map(({ row }) => row);
    } catch {
      return another(); // nobody can tell which were misread
    }
    if (!wrong.length) return say("No test image is misread.");
    return load(wrong[next++ % wrong.length]);
  }

  byId("inside-another").addEventListener("click", another);
  byId("inside-wrong").addEventListener("click", misread);
  byId("inside-row").addEventListener("change", wanted);
  return {
    first: () => load(0),
    /** The visor answers again. */
    returned() {
      if (failed !== null) load(failed);
    },
  };
}

function complainOf(text) {
  const field = byId("inside-row");
  complain(byId("inside-wrong-row"), text, [field], text ? [field] : []);
}
