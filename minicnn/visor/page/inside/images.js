// Which test image is looked into: by its number, another one, or one that was misread.
import { byId } from "../dom.js";
import { get } from "../server.js";

/**
 * Listen to the buttons. take(image) gets an image as chosen.js has it, say(text, isError) what can't be
 * had. Returns { first(): shows test image 0, returned() }.
 */
export function startChoosing(take, say) {
  let count = null, wrong = null, next = 0, asked = 0;
  let failed = null; // the image that could not be had last

  async function load(row) {
    const own = ++asked;
    failed = null;
    try {
      const digit = await get(`/api/digits/${row}`);
      if (own !== asked) return;
      count = digit.count;
      byId("inside-row").max = count - 1;
      byId("inside-row").value = row;
      take({ pixels: digit.pixels, name: digit.name, true: digit.true, from: `test image ${row}` });
    } catch (error) {
      if (own !== asked) return;
      failed = row;
      say(error.message, true);
    }
  }

  const another = async () => {
    if (count === null) await load(0);
    if (count !== null) await load(Math.floor(Math.random() * count));
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
  byId("inside-row").addEventListener("change", (event) => {
    const { value } = event.target;
    if (/^\d{1,9}$/.test(value)) load(Number(value));
    else say("Expected the number of a test image, 0 or larger.", true);
  });
  return {
    first: () => load(0),
    /** The visor answers again. */
    returned() {
      if (failed !== null) load(failed);
    },
  };
}
