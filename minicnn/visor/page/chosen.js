// The image in the tab Inside: a drawing or a test image.

const listeners = [];
let current = null;

/** { pixels: H·W numbers in [0, 1], true: its class or null, name: of the class, from: its origin } or null. */
export const chosen = () => current;

/** Show this image in the tab Inside: calls the listeners and opens the tab. */
export function choose(image) {
  current = image;
  for (const listener of listeners) listener(image);
  location.hash = "inside";
}

/** Call `listener` when another image is chosen. */
export const onChosen = (listener) => listeners.push(listener);
