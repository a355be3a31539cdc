// The tab Evaluate: measures the model when asked, and shows what came out.
//
// Measuring takes processor time from a run that trains: it is done when the tab is first opened, and
// then when the button is pressed, here or on another page of the same visor.
import { byId, count, make, percent } from "../dom.js";
import { get } from "../server.js";
import { matrix } from "./matrix.js";
import { search } from "./search.js";

let about = null;
let measured = null; // the version of the model that is shown
let isMeasuring = false, hasFailed = false;
let finder = null;

/** Begin: `now` as /api/about tells it. */
export function start(now) {
  about = now;
  finder = search(measure);
  byId("measure").addEventListener("click", measure);
}

/** The tab is shown, or left. */
export function shown(yes) {
  if (yes && !measured) measure();
}

/** Another status, or a newer model. */
export function renewed(now) {
  about = now;
  byId("measure").hidden = !measured || measured === about.model?.version;
}

/** The visor answers again. */
export function returned() {
  if (hasFailed) measure();
  else finder.returned();
}

async function measure() {
  if (isMeasuring) return;
  isMeasuring = true;
  hasFailed = false;
  byId("measured").textContent = "Running the test images through the network …";
  try {
    const found = await get("/api/evaluation");
    measured = found.version;
    show(found);
    byId("measure").hidden = measured === about.model?.version;
  } catch (error) {
    hasFailed = true;
    byId("measured").textContent = error.message;
    byId("measure").hidden = false;
    byId("measure").textContent = "Try again";
  }
  isMeasuring = false;
}

function show(found) {
  const { images, wrong, accuracy, interval, loss, class_names: names } = found;
  byId("measure").textContent = "Measure the newest model";
  byId("measured").replaceChildren(
    make("strong", {}, percent(accuracy, 2)),
    ` of ${count(images)} test images are read right, ${count(wrong)} are misread; 95 % interval ${percent(interval[0], 2)} to ${percent(interval[1], 2)}; `,
    `cross-entropy ${Number.isFinite(loss) ? loss.toFixed(4) : "–"}; ${found.file}.`,
  );
  byId("evaluate-all").hidden = false;
  byId("matrix").replaceChildren(matrix(found.matrix, names, pick));
  byId("classes").replaceChildren(...found.classes.map((row, k) => classRow(row, k)));
  finder.classes(names, found.version);
  finder.set({ only: wrong ? "wrong" : "all" });
}

function classRow({ name, images, accuracy, precision, taken_for: other, times }, k) {
  const bar = make("span", { class: "bar" });
  bar.style.setProperty("--share", accuracy ?? 0);
  const button = make("button", { "aria-label": `Search class ${name}` }, name);
  button.addEventListener("click", () => pick(k, ""));
  return make("tr", {},
    make("th", { scope: "row" }, button),
    make("td", {}, count(images)),
    make("td", {}, percent(accuracy ?? NaN), bar),
    make("td", {}, percent(precision ?? NaN)),
    make("td", {}, other === null ? "" : `${other} (${times})`));
}

async function pick(isTrue, predicted) {
  await finder.set({ true: isTrue, predicted });
  const found = byId("search");
  const { top } = found.getBoundingClientRect();
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (top > innerHeight - 200) found.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
}
