// The confusion matrix: a table of buttons with arrow-key navigation.
import { make } from "../dom.js";

const MOST = 60; // classes that are shown: the most confused ones

/** A table of `counts`, a row for each true class; a cell calls `picked(true, predicted)`. */
export function matrix(counts, names, picked) {
  const classes = shownOf(counts);
  const cells = classes.map((i) => classes.map((j) => cell(counts[i], names, i, j)));
  const head = make("tr", {}, make("td", { class: "corner" }), ...classes.map((i) => make("th", { scope: "col" }, names[i])));
  const body = cells.map((row, place) => make("tr", {}, make("th", { scope: "row" }, names[classes[place]]), ...row.map((button) => make("td", {}, button))));
  const missing = names.length - classes.length;
  const caption = missing ? [make("caption", { class: "soft" }, `The ${MOST} most confused classes; the other ${missing} are in the table of classes.`)] : [];
  const table = make("table", { class: "matrix" }, ...caption, make("thead", {}, head), make("tbody", {}, ...body));
  table.style.setProperty("--classes", classes.length);
  cells[0][0].tabIndex = 0;
  let pressed = null, focused = cells[0][0];

  table.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    pressed?.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", "true");
    pressed = button;
    picked(Number(button.dataset.true), Number(button.dataset.predicted));
  });

  table.addEventListener("keydown", (event) => {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const button = event.target.closest("button");
    if (!button || !(event.key in steps)) return;
    event.preventDefault();
    const [down, right] = steps[event.key], { parentElement: at } = button;
    const next = cells[at.parentElement.sectionRowIndex + down]?.[at.cellIndex - 1 + right];
    if (!next) return;
    focused.tabIndex = -1;
    focused = next;
    next.tabIndex = 0;
    next.focus();
  });

  return table;
}

function cell(row, names, i, j) {
  const share = row[j] / Math.max(row.reduce((a, b) => a + b, 0), 1);
  const label = i === j ? `${names[i]}, correct: ${row[j]}` : `${names[i]}, predicted ${names[j]}: ${row[j]}`;
  const button = make("button", {
    class: i === j ? "right" : "missed", tabindex: -1,
    "aria-label": label, "aria-pressed": "false", "data-true": i, "data-predicted": j,
  }, String(row[j]));
  // mistakes are rare: the square root makes a few visible
  button.style.setProperty("--share", i === j ? share : Math.min(Math.sqrt(share * 8), 1));
  return button;
}

/** The shown classes in order. */
function shownOf(counts) {
  const all = counts.map((_, k) => k);
  if (all.length <= MOST) return all;
  const wrong = all.map((k) => counts[k].reduce((total, n) => total + n, 0) + counts.reduce((total, row) => total + row[k], 0) - 2 * counts[k][k]);
  return all.sort((a, b) => wrong[b] - wrong[a] || a - b).slice(0, MOST).sort((a, b) => a - b);
}
