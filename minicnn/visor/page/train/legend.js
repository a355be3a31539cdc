// The styles of the lines, for the charts and their legend: colour, dashes and marks.
import { make } from "../dom.js";

const SVG = "http://www.w3.org/2000/svg";
const MARKS = {
  circle: "M18,2a4,4 0 1,0 .01,0Z", diamond: "M18,1L23,6L18,11L13,6Z", square: "M14,2H22V10H14Z",
  "triangle-up": "M18,1.5L23,10H13Z", x: "M15,2L18,5L21,2L22,3L19,6L22,9L21,10L18,7L15,10L14,9L17,6L14,3Z",
  cross: "M17,1H19V5H23V7H19V11H17V7H13V5H17Z",
};
const DASHES = { solid: "", dash: "6 3" };

export const BATCH = { colour: "blue", dash: "solid", mark: null, width: 1 };
export const TRAINING = { colour: "blue", dash: "solid", mark: "circle", width: 2.5 };
export const VALIDATION = { colour: "orange", dash: "dash", mark: "diamond", width: 2.5 };

const COLOURS = ["green", "red", "soft", "ink"], SHAPES = ["square", "triangle-up", "x", "cross"];

/** The style of the n-th earlier run; the mark helps users who can't distinguish the colours. */
export const earlier = (n) => ({ colour: COLOURS[n % 4], dash: "solid", mark: SHAPES[n % 4], width: 1.2 });

/** Show the legend: [[style, text], …]. */
export function showLegend(list, entries) {
  const text = JSON.stringify(entries);
  if (list.dataset.shown === text) return;
  list.dataset.shown = text;
  list.replaceChildren(...entries.map(([style, words]) => make("li", {}, swatch(style), words)));
}

function swatch({ colour, dash, mark, width }) {
  const whole = shape("svg", { viewBox: "0 0 36 12", width: 36, height: 12, "aria-hidden": "true" });
  whole.style.setProperty("--line-colour", `var(--${colour})`);
  whole.append(shape("path", { d: "M0,6H36", class: "line", "stroke-width": width, "stroke-dasharray": DASHES[dash] }));
  if (mark) whole.append(shape("path", { d: MARKS[mark], class: "mark" }));
  return whole;
}

function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
