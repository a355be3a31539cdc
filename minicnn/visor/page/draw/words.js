// Name and description of the preprocessing: that of MNIST, or that of the training images if the
// network was trained on the user's own pictures. No side effects; `model` comes from /api/about.

export const nameOf = ({ preparation }) => (preparation ? "Preprocessing of the training images" : "MNIST preprocessing");

/** What it does, or what it did with a picture: `done` from /api/read. */
export function how({ preparation, shape }, done = null) {
  if (preparation) return `${done?.inverted ? "Inverted and scaled" : "Scaled"} down as a whole: not cropped or centred.`;
  const box = shape.map((side) => Math.max(Math.round((side * 20) / 28), 1)).join("×"); // as in pictures/prepare.py
  if (!done) return `Cropped, scaled into a box of ${box} pixels, and centred by its centre of mass.`;
  const first = done.inverted ? "Inverted, cropped" : "Cropped";
  const wider = done.widened ? ` Thin strokes were widened by ${done.widened} pixels first.` : "";
  return `${first}, scaled by ${done.scale.toFixed(2)} into a box of ${box} pixels, and centred by its centre of mass.${wider}`;
}
