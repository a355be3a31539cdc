// Arrays as pictures.

/** A canvas of `width`×`height` pixels; CSS sets its size on the screen. */
export function canvas(width, height, label) {
  const made = document.createElement("canvas");
  made.className = "pixels";
  made.width = width;
  made.height = height;
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", label);
  return made;
}

/** Values in [0, 1], row by row, as grey. */
export function paintGrey(target, values) {
  paint(target, values, (value) => [255 * value, 255 * value, 255 * value]);
}

/** Signed values: blue below zero, black at zero, orange above; ±`most` is the full colour. */
export function paintSigned(target, values, most) {
  const scale = most > 0 ? 1 / most : 0;
  paint(target, values, (value) => {
    const strength = Math.min(Math.abs(value) * scale, 1);
    const [red, green, blue] = value < 0 ? [60, 150, 255] : [255, 150, 40];
    return [red * strength, green * strength, blue * strength];
  });
}

function paint(target, values, colour) {
  const context = target.getContext("2d");
  const image = context.createImageData(target.width, target.height);
  for (let i = 0; i < values.length; i++) {
    const [red, green, blue] = colour(values[i]);
    image.data.set([red, green, blue, 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
}

/** A list of numbers as base64 of little-endian float32 → Float32Array. */
export function floats(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}
