// What the first of the two ways is called, and what it does: as MNIST was made, or, for a network
// that was trained on a sheet of somebody's own pictures, as these were. Pure; `model` as
// /api/about tells it.

/** { title, as: what a picture is made ready as, whose } */
export const called = ({ preparation }) => (preparation
  ? { title: "As its own pictures were made", as: "its own pictures were", whose: "the way of its own pictures" }
  : { title: "As MNIST was made", as: "MNIST was", whose: "the MNIST way" });

/** What it does, or has done with a picture: `done` as /api/read tells it. */
export function how({ preparation, shape }, done = null) {
  if (preparation) return `${done?.inverted ? "Inverted, and made" : "Made"} smaller as a whole: nothing is cut out or centred.`;
  const box = shape.map((side) => Math.max(Math.round((side * 20) / 28), 1)).join("×"); // as preprocess.py has it
  if (!done) return `Cut out, fitted into a box of ${box} pixels, and centred by its mass.`;
  const first = done.inverted ? "Inverted, cut" : "Cut";
  const wider = done.widened ? ` Its thin strokes were made ${done.widened} pixels wider first.` : "";
  return `${first} out, scaled by ${done.scale.toFixed(2)} into a box of ${box} pixels, and centred by its mass.${wider}`;
}
