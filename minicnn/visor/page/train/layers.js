// The layers: distributions of weights, gradients and activations, and their newest statistics.
import { onThemeChange } from "../charts.js";
import { byId, count, make, percent } from "../dom.js";
import { get } from "../server.js";
import { budget } from "./budget.js";
import { heat } from "./heat.js";
import { short } from "./words.js";

const DEAD = 0.5; // as in callbacks/health.py
const COLUMNS = [["mean", "Mean"], ["std", "Standard deviation"], ["norm", "Norm"]];
const SHADES = "Stronger blue = more values.";
const DEAD_MEANS = "A ReLU unit is dead if it is 0 for every image of a fixed sample: it does not learn any more.";

/** Show layers.json; returns changed(time) for the time when it was written. */
export function layers() {
  const kind = byId("train-kind"), note = byId("train-layers-note");
  let stats = null, written = 0, fetched = 0;
  const drawing = budget(byId("train-layers"), draw, 5000);
  kind.addEventListener("change", () => drawing.now());
  onThemeChange(() => drawing.now());

  async function draw() {
    if (written !== fetched) {
      const requested = written;
      try {
        stats = await get("/api/layers");
        fetched = requested;
      } catch (error) {
        note.textContent = error.message;
        return;
      }
    }
    if (stats?.epochs.length) show();
  }

  function show() {
    const what = kind.value, { epochs, bins } = stats;
    const named = stats.layers.map((layer, index) => ({ ...layer, title: `${index + 1} ${layer.name}` }));
    const shown = named.filter((layer) => layer.parameter && layer[what]);
    note.textContent = shown.length ? describe(what) : "Not available: activations need validation images.";
    byId("train-heats").replaceChildren(...shown.map((layer) => heat(`${layer.title}, ${what}`, layer[what], epochs, bins)));
    byId("train-layers-table").replaceChildren(table(named, what));
  }

  function describe(what) {
    const of = { weights: "", gradients: ", of the epoch's last batch", activations: `, for ${count(stats.probe)} images` }[what];
    return `After epoch ${count(stats.epochs.at(-1))}${of}. ${SHADES} ${DEAD_MEANS}`;
  }

  return (time) => {
    written = time;
    drawing.request();
  };
}

function table(named, what) {
  const hasNonfinite = named.some((layer) => layer[what]?.nonfinite.at(-1));
  const names = ["Layer", "Output", ...COLUMNS.map(([, words]) => `${words} of ${what}`), ...(hasNonfinite ? ["NaN or infinite"] : []), "Dead units"];
  const rows = named.map((layer) => {
    const dead = layer.dead.at(-1), areMany = dead > DEAD;
    return make("tr", {},
      make("th", { scope: "row" }, layer.title),
      make("td", {}, layer.output_shape.join("×")),
      ...COLUMNS.map(([name]) => make("td", {}, short(layer[what]?.[name].at(-1)))),
      ...(hasNonfinite ? [make("td", { class: "error" }, count(layer[what]?.nonfinite.at(-1) ?? 0))] : []),
      make("td", areMany ? { class: "error" } : {}, dead === null || dead === undefined ? "–" : `${percent(dead, 0)}${areMany ? " (many)" : ""}`));
  });
  return make("table", { class: "numbers" },
    make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows));
}
