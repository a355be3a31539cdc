// The numbers of each epoch as a table, to read and copy.
import { byId, count, make } from "../dom.js";
import { budget } from "./budget.js";
import { short, title, value } from "./words.js";

const MOST_ROWS = 500;

/** Update the table while it is open. */
export function numbers(history) {
  const details = byId("train-numbers"), place = details.querySelector("div");
  const drawing = budget(details, () => details.open && draw(), 3000);
  details.addEventListener("toggle", () => drawing.now());

  function draw() {
    const { x, values } = history.epochs, names = Object.keys(values);
    if (!x.length) return place.replaceChildren(make("p", { class: "soft" }, "Available after the first epoch."));
    const first = Math.max(0, x.length - MOST_ROWS);
    const rows = x.slice(first).map((epoch, i) => make("tr", {},
      make("th", { scope: "row" }, count(epoch)),
      ...names.map((name) => make("td", {}, name === "learning_rate" ? short(values[name][first + i]) : value(name, values[name][first + i])))));
    const head = make("tr", {}, ...["Epoch", ...names.map(title)].map((name) => make("th", { scope: "col" }, name)));
    const left = first ? [make("p", { class: "soft" }, `The last ${MOST_ROWS} epochs; history.csv has all of them.`)] : [];
    return place.replaceChildren(...left, make("table", { class: "numbers" }, make("thead", {}, head), make("tbody", {}, ...rows.reverse())));
  }

  return drawing;
}
