// The most confident mistakes on the validation images after the newest epoch.
import { byId, count } from "../dom.js";
import { digits } from "../digits.js";
import { budget } from "./budget.js";

/** Show the newest mistakes of `history`; `names()`: of the classes, or null. */
export function mistakes(history, names) {
  const section = byId("train-mistakes"), list = byId("train-mistakes-list"), note = byId("train-mistakes-note");
  let shown = null;
  const drawing = budget(section, draw, 5000);
  section.addEventListener("focusout", () => drawing.request());

  function draw() {
    const newest = history.mistakes;
    if (!newest && !shown) return false;
    if (newest === shown || list.contains(document.activeElement)) return true; // keep the focus
    shown = newest;
    note.textContent = !newest ? "Available after the first epoch."
      : `${count(newest.wrong)} misclassified after epoch ${count(newest.epoch)}${newest.wrong ? ", most confident first. Choose one to look inside." : "."}`;
    const found = (newest?.mistakes ?? []).map(([row, right, predicted, probability]) => ({ row, true: right, predicted, probability }));
    const most = Math.max(0, ...found.flatMap((digit) => [digit.true, digit.predicted]));
    const called = names() ?? Array.from({ length: most + 1 }, (_, k) => String(k));
    list.replaceChildren(...(found.length ? [digits(found, called)] : []));
    return true;
  }

  return drawing;
}
