// The image that the tab Inside looks into: from a drawing, or from the test images.

const listeners = [];
let current = null;

/** { pixels: H·W numbers in [0, 1], true: its class or null, name: of that, from: where it comes from } or null. */
export const chosen = () => current;

/** Look inside with this image: everybody who listens is told, and the tab opens. */
export function choose(image) {
  current = image;
  for (const listener of listeners) listener(image);
  location.hash = "inside";
}

/** Be told when another image is chosen. */
export const onChosen = (listener) => listeners.push(listener);
