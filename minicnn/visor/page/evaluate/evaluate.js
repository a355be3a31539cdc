// The tab Evaluate: evaluates the model and shows the results.
//
// Evaluation takes processor time from a run that is training. So it runs when the tab first opens, and
// then only when a user presses the button, here or on another page of the same server.
import { byId, count, make, percent } from "../dom.js";
import { get } from "../server.js";
import { matrix } from "./matrix.js";
import { search } from "./search.js";

let about = null;
let evaluated = null; // the version of the model that is shown
let isEvaluating = false, hasFailed = false;
let finder = null;

/** Start; `now` comes from /api/about. */
export function start(now) {
  about = now;
  finder = search(evaluate);
  byId("evaluate-again").addEventListener("click", evaluate);
}

/** The tab is shown or hidden. */
export function shown(yes) {
  if (yes && !evaluated) evaluate();
}

/** Another status or a newer model. */
export function renewed(now) {
  about = now;
  byId("evaluate-again").hidden = !evaluated || evaluated === about.model?.version;
}

/** The server answers again. */
export function returned() {
  if (hasFailed) evaluate();
  else finder.returned();
}

async function evaluate() {
  if (isEvaluating) return;
  isEvaluating = true;
  hasFailed = false;
  byId("evaluate-result").textContent = "Evaluating the test images …";
  try {
    const found = await get("/api/evaluation");
    evaluated = found.version;
    show(found);
    byId("evaluate-again").hidden = evaluated === about.model?.version;
  } catch (error) {
    hasFailed = true;
    byId("evaluate-result").textContent = error.message;
    byId("evaluate-again").hidden = false;
    byId("evaluate-again").textContent = "Try again";
  }
  isEvaluating = false;
}

function show(found) {
  const { images, wrong, accuracy, interval, loss, class_names: names } = found;
  byId("evaluate-again").textContent = "Evaluate the newest model";
  byId("evaluate-result").replaceChildren(
    make("strong", {}, percent(accuracy, 2)),
    ` of ${count(images)} test images are correct, ${count(wrong)} are misclassified; 95 % confidence interval ${percent(interval[0], 2)} to ${percent(interval[1], 2)}; `,
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
  const form = byId("search");
  const { top } = form.getBoundingClientRect();
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (top > innerHeight - 200) form.scrollIntoView({ block: "start", behavior: isCalm ? "auto" : "smooth" });
}
