// A map of numbers as a picture, with selection by mouse, finger or keyboard.
import { make } from "../dom.js";
import { canvas, paintGrey, paintSigned } from "../pixels.js";

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** The largest |value|. */
export function mostOf(values) {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}

/**
 * A map of height×width numbers, each `scale` screen pixels large.
 *
 * on.pick(row, column, byPointer)   a number was selected
 * on.move(row, column, byKey)       the pointer or cursor is on a number
 * on.turn(step)                     Page Up (−1) or Page Down (1)
 * count: of the numbers (a vector need not fill its last row)
 */
export function makeMap({ height, width, scale, label, count = height * width, on }) {
  const face = canvas(width, height, label);
  face.removeAttribute("role");
  face.removeAttribute("aria-label");
  const marks = make("span", { class: "marks", "aria-hidden": "true" });
  const cursor = make("span", { class: "mark cursor", "aria-hidden": "true" });
  const element = make("div", {
    class: "map", role: "application", "aria-roledescription": "map of numbers", "aria-label": label,
    "aria-describedby": "inside-keys", tabindex: "-1",
  }, face, marks, cursor);
  element.style.width = `${scale * width}px`;
  let at = [0, 0];

  const percent = (part, whole) => `${(100 * part) / whole}%`;
  const put = (mark, row, column, rows, columns) => Object.assign(mark.style, {
    left: percent(column, width), top: percent(row, height), width: percent(columns, width), height: percent(rows, height),
  });
  const exists = (row, column) => row >= 0 && column >= 0 && row < height && column < width && row * width + column < count;
  function place(event) {
    const box = face.getBoundingClientRect();
    const within = (part, most) => Math.min(Math.max(Math.floor(part * most), 0), most - 1);
    return [within((event.clientY - box.top) / box.height, height), within((event.clientX - box.left) / box.width, width)];
  }
  function moveTo(row, column) {
    if (!exists(row, column)) return;
    at = [row, column];
    put(cursor, row, column, 1, 1);
    on.move(row, column, true);
  }

  element.addEventListener("click", (event) => {
    const [row, column] = place(event);
    if (!exists(row, column)) return;
    at = [row, column];
    put(cursor, row, column, 1, 1);
    on.pick(row, column, true);
  });
  element.addEventListener("pointermove", (event) => {
    const [row, column] = place(event);
    if (exists(row, column)) on.move(row, column, false);
  });
  element.addEventListener("focus", () => element.matches(":focus-visible") && on.move(...at, true));
  element.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (step) moveTo(at[0] + step[0], at[1] + step[1]);
    else if (event.key === "Home") moveTo(at[0], 0);
    else if (event.key === "End") moveTo(at[0], width - 1);
    else if (event.key === "Enter" || event.key === " ") on.pick(...at);
    else if (event.key === "PageUp" || event.key === "PageDown") on.turn?.(event.key === "PageUp" ? -1 : 1);
    else return;
    event.preventDefault();
  });
  put(cursor, 0, 0, 1, 1);

  return {
    element,
    /** signed: blue and orange, else grey; ±most is the full colour. */
    paint(values, signed, most) {
      if (signed) paintSigned(face, values, most);
      else paintGrey(face, most > 0 ? values.map((value) => Math.max(value, 0) / most) : values);
    },
    /** Draw outlines [{ row, column, rows, columns, kind }], in pixels of the map. */
    mark(boxes) {
      marks.replaceChildren(...boxes.map((box) => {
        const mark = make("span", { class: `mark ${box.kind}` });
        put(mark, box.row, box.column, box.rows ?? 1, box.columns ?? 1);
        return mark;
      }));
    },
    /** The position of the keyboard cursor. */
    get cursor() { return at; },
    set cursor(place) {
      at = place;
      put(cursor, ...at, 1, 1);
    },
  };
}
