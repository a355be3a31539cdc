// Plotly from the installed package, in the page's colours; loaded with the first chart.

let loading = null;

const added = (tag, attributes) => new Promise((resolve, reject) => {
  const element = Object.assign(document.createElement(tag), attributes, { onload: resolve, onerror: reject });
  document.head.append(element);
});

// The page's policy forbids <style> elements. Plotly writes its rules into a style sheet with a certain
// id if there is one; the rules for maps, which it adds on loading, go into a <template> instead.
async function load() {
  const create = document.createElement;
  await added("link", { rel: "stylesheet", id: "plotly.js-style-global", href: "/page/charts.css" });
  document.createElement = (tag, ...rest) => create.call(document, tag === "style" ? "template" : tag, ...rest);
  try {
    await added("script", { src: "/plotly.js" });
  } finally {
    delete document.createElement;
  }
  return globalThis.Plotly;
}

/** Plotly, loaded once; throws an Error if it can't be loaded. */
export function plotly() {
  loading ??= load().catch(() => {
    loading = null;
    throw new Error("Plotly's script can't be loaded from the visor.");
  });
  return loading;
}

/** A colour of style.css by its name, such as "blue". */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/**
 * Draw or update a chart in `element` from Plotly's traces and layout. Colours, fonts and margins are
 * those of the page unless `layout` overrides them.
 */
export async function chart(element, traces, layout = {}) {
  const Plotly = await plotly();
  const axis = { gridcolor: colour("line"), zerolinecolor: colour("line"), linecolor: colour("line"), automargin: true };
  const whole = {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("ink"), family: "system-ui, sans-serif", size: 12 },
    margin: { l: 48, r: 12, t: 12, b: 40 },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    hovermode: "x unified",
    hoverlabel: { bgcolor: colour("paper"), bordercolor: colour("line"), font: { color: colour("ink") } },
    colorway: ["blue", "orange", "green", "red", "soft"].map(colour),
    uirevision: "kept", // zoom and hidden lines survive an update
    ...layout,
    xaxis: { ...axis, ...layout.xaxis },
    yaxis: { ...axis, ...layout.yaxis },
  };
  await Plotly.react(element, traces, whole, { responsive: true, displaylogo: false, displayModeBar: false });
}

/** Call `listener` when the page switches between light and dark: charts must be drawn again. */
export function onThemeChange(listener) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", listener);
}
