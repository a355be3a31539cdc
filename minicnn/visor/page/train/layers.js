// The layers: how their weights, gradients and activations are spread, and their newest numbers.
import { onThemeChange } from "../charts.js";
import { byId, count, make, percent } from "../dom.js";
import { get } from "../server.js";
import { budget } from "./budget.js";
import { heat } from "./heat.js";
import { short } from "./words.js";

const DEAD = 0.5; // as callbacks/health.py has it
const COLUMNS = [["mean", "Mean"], ["std", "Spread"], ["norm", "Norm"]];
const DEAD_MEANS = "A unit of a ReLU is dead when it is 0 for every image of a fixed sample: it has stopped learning.";

/** Show layers.json; returns changed(time), to be told when it was written. */
export function layers() {
  const kind = byId("train-kind"), note = byId("train-layers-note");
  let told = null, written = 0, fetched = 0;
  const drawing = budget(byId("train-layers"), draw, 5000);
  kind.addEventListener("change", () => drawing.now());
  onThemeChange(() => drawing.now());

  async function draw() {
    if (written !== fetched) {
      const asked = written;
      try {
        told = await get("/api/layers");
        fetched = asked;
      } catch (error) {
        note.textContent = error.message;
        return;
      }
    }
    if (told?.epochs.length) show();
  }

  function show() {
    const what = kind.value, { epochs, bins } = told;
    const named = told.layers.map((layer, index) => ({ ...layer, title: `${index + 1} ${layer.name}` }));
    const shown = named.filter((layer) => layer.parameter && layer[what]);
    note.textContent = shown.length ? saying(what) : "There are none of these: activations are measured of validation images.";
    byId("train-heats").replaceChildren(...shown.map((layer) => heat(`${layer.title}, ${what}`, layer[what], epochs, bins)));
    byId("train-layers-table").replaceChildren(table(named, what));
  }

  function saying(what) {
    const of = { weights: "", gradients: ", of the epoch's last batch", activations: `, for ${count(told.probe)} images` }[what];
    return `As of epoch ${count(told.epochs.at(-1))}${of}. The bluer, the more of the numbers lie there. ${DEAD_MEANS}`;
  }

  return (time) => {
    written = time;
    drawing.request();
  };
}

function table(named, what) {
  const areIll = named.some((layer) => layer[what]?.nonfinite.at(-1));
  const names = ["Layer", "Output", ...COLUMNS.map(([, words]) => `${words} of ${what}`), ...(areIll ? ["NaN or infinite"] : []), "Dead units"];
  const rows = named.map((layer) => {
    const dead = layer.dead.at(-1), isIll = dead > DEAD;
    return make("tr", {},
      make("th", { scope: "row" }, layer.title),
      make("td", {}, layer.output_shape.join("×")),
      ...COLUMNS.map(([name]) => make("td", {}, short(layer[what]?.[name].at(-1)))),
      ...(areIll ? [make("td", { class: "error" }, count(layer[what]?.nonfinite.at(-1) ?? 0))] : []),
      make("td", isIll ? { class: "error" } : {}, dead === null || dead === undefined ? "–" : `${percent(dead, 0)}${isIll ? " (many)" : ""}`));
  });
  return make("table", { class: "numbers" },
    make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows));
}
