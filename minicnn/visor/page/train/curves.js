// The curves: a chart for each metric, with training and validation.
import { chart, onThemeChange, plotly } from "../charts.js";
import { byId, make } from "../dom.js";
import { budget } from "./budget.js";
import { BATCH, TRAINING, VALIDATION, earlier, showLegend } from "./legend.js";
import { lines } from "./lines.js";
import { extent, roundUp } from "./series.js";
import { isShare, title, value } from "./words.js";

const DEFAULT = ["loss", "accuracy"]; // empty charts before a run starts

/** Draw the curves of `history`; `others()`: [{ name, columns, place }] of earlier runs. */
export function curves(history, others) {
  const place = byId("train-charts"), points = byId("train-points"), span = byId("train-span");
  const figures = new Map(); // metric → its chart
  let zoom = 0; // increased to reset the user's zoom
  const drawing = budget(place, draw);

  for (const select of [points, span]) {
    select.addEventListener("change", () => {
      zoom++;
      drawing.now();
    });
  }
  onThemeChange(() => drawing.now());

  async function draw() {
    const metrics = history.metrics.length ? history.metrics : DEFAULT;
    arrange(metrics);
    legend();
    try {
      await plotly(); // before the lines are computed: more records may arrive meanwhile
      for (const metric of metrics) await drawOne(metric, figures.get(metric));
    } catch (error) {
      byId("train-curves-note").textContent = error.message;
    }
  }

  /** A figure for each metric; existing ones stay. */
  function arrange(metrics) {
    if (String(metrics) === String([...figures.keys()])) return;
    figures.clear();
    for (const metric of metrics) figures.set(metric, make("div", { class: "chart", role: "img" }));
    place.replaceChildren(...metrics.map((metric) => make("figure", {}, make("h3", {}, title(metric)), figures.get(metric))));
  }

  async function drawOne(metric, element) {
    const runs = others(), until = history.position, share = Number(span.value);
    const end = roundUp(Math.max(until, 0.01, ...runs.map(({ columns }) => columns.epoch.at(-1) ?? 0)), lengthOfAll(runs));
    const from = share < 1 ? until * (1 - share) : 0, to = share < 1 ? until || end : end;
    const seen = element.zoomed ?? [from, to];
    const found = lines(metric, { history, points: points.value, others: runs, from: seen[0], to: seen[1] });
    const isFit = share < 1 || !isShare(metric);
    await chart(element, found, {
      showlegend: false,
      uirevision: zoom,
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", // a finger scrolls the page
      margin: { l: 48, r: 12, t: 8, b: 40 },
      xaxis: { range: [from, to], title: { text: "epochs", standoff: 4 }, hoverformat: ".2f" },
      yaxis: { range: (isFit ? extent(found, from) : null) ?? [0, 1.02], tickformat: isShare(metric) ? ".0~%" : "" },
    });
    watchZoom(element, [from, to]);
    describe(metric, element);
  }

  function lengthOfAll(runs) {
    const lengths = runs.map(({ columns }) => columns.epoch.at(-1) ?? 0);
    return Math.max(history.begun?.epochs ?? history.position, history.position, ...lengths, 1);
  }

  /** Thin the lines for the visible range: zooming in shows more points. A double click resets. */
  function watchZoom(element, whole) {
    element.whole = whole;
    if (element.isWatched) return;
    element.isWatched = true;
    element.on("plotly_relayout", (change) => {
      const range = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      if (!range.every(Number.isFinite) || String(range) === String(element.whole)) return;
      element.zoomed = range;
      drawing.request();
    });
    element.on("plotly_doubleclick", () => {
      for (const one of figures.values()) one.zoomed = null;
      zoom++;
      drawing.now();
    });
  }

  /** The content of a chart as text and, for tests, as numbers. */
  function describe(metric, element) {
    const { batches, epochs } = history;
    const last = epochs.values[metric]?.at(-1), validation = epochs.values[`val_${metric}`]?.at(-1);
    const after = epochs.x.length ? ` after epoch ${epochs.x.at(-1)}: training ${value(metric, last)}, validation ${value(metric, validation)}` : ": no epoch yet";
    element.setAttribute("aria-label", `${title(metric)}${after}`);
    element.dataset.batches = batches.x.length;
    element.dataset.epochs = epochs.x.length;
    element.dataset.until = history.position.toFixed(4);
  }

  function legend() {
    const own = [[BATCH, "each batch"], [TRAINING, "training, each epoch"], [VALIDATION, "validation"]];
    const hidden = { epochs: 0, batches: 1 }[points.value];
    const runs = others().map(({ name, place: n }) => [earlier(n), `${name} (validation dashed)`]);
    showLegend(byId("train-legend"), [...own.filter((_, n) => n !== hidden), ...runs]);
  }

  return drawing;
}
