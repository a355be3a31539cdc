// Helpers to find and create elements, and to format text.

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** Show a message above all tabs; "" removes it. */
export const notice = (text) => { byId("notice").textContent = text; };

/**
 * A new element. In `attributes`, functions (onclick: …) become event listeners, true and false
 * switch an attribute on and off. Children are nodes or text. Buttons get type "button": Enter in a
 * form field would press any other type.
 */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  if (tag === "button") made.type = "button";
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.replace(/^on/, ""), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/**
 * Show an error in `line`, which describes `fields`, and mark the `wrong` ones; "" and [] clear it.
 */
export function fieldError(line, text, fields, wrong) {
  if (line.textContent !== text) line.textContent = text;
  line.hidden = !text;
  for (const field of fields) field.setAttribute("aria-invalid", String(wrong.includes(field)));
}

/** 0.98765 → "98.8 %"; "–" if it is not finite. */
export function percent(share, digits = 1) {
  return Number.isFinite(share) ? `${(100 * share).toFixed(digits)} %` : "–";
}

/** 1234567 → "1,234,567". */
export const count = (number) => Number(number).toLocaleString("en");

/** Seconds as text: "7 s", "3:07 min", "2:05 h". */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const [big, small, unit] = whole < 3600 ? [60, 1, "min"] : [3600, 60, "h"];
  return `${Math.floor(whole / big)}:${String(Math.floor((whole % big) / small)).padStart(2, "0")} ${unit}`;
}
