// A list of test images; a click opens one in the tab Inside.
import { make, notice, percent } from "./dom.js";
import { choose } from "./chosen.js";
import { get } from "./server.js";

const COLUMNS = 32; // the layout of api/digits.py

/**
 * A list of test images.
 *
 * found: [{ row, true, predicted, probability }], at most 512; names: of the classes.
 */
export function digits(found, names) {
  const address = `url("/api/digits.png?rows=${found.map(({ row }) => row).join(",")}")`;
  return make("ul", { class: "digits" }, ...found.map((digit, place) => {
    const picture = make("span", { class: "sprite" });
    picture.style.setProperty("--columns", COLUMNS);
    picture.style.setProperty("--x", place % COLUMNS);
    picture.style.setProperty("--y", Math.floor(place / COLUMNS));
    picture.style.backgroundImage = address;
    const isRight = digit.true === digit.predicted;
    const label = isRight ? [make("b", {}, names[digit.true])] : [`${names[digit.true]}, predicted `, make("b", {}, names[digit.predicted])];
    const confidence = make("span", { class: "soft" }, ` ${percent(digit.probability, 0)}`);
    const button = make("button", { class: isRight ? "right" : "wrong", title: `Test image ${digit.row}: look inside` }, picture, ...label, confidence);
    button.addEventListener("click", () => lookInside(digit.row));
    return make("li", {}, button);
  }));
}

/** Open a test image in the tab Inside. */
export async function lookInside(row) {
  try {
    const digit = await get(`/api/digits/${row}`);
    choose({ pixels: digit.pixels, name: digit.name, true: digit.true, from: `test image ${row}` });
  } catch (error) {
    notice(error.message);
  }
}
