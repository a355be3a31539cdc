// Why the two ways may read a picture differently: what the tutorial's leaves as it is. Pure.

const INK = 0.25; // as preprocess.py has it: what is weaker is not inside the box
const SIZE = 1.25; // times as large or as small, until size counts
const PLACE = 2 / 28; // of the picture's side, until the place counts

/** A sentence for each reason; `mnist` as /api/read tells it, the model as /api/about does. */
export function reasons(mnist, { shape, preparation }) {
  if (preparation) return [ofOwnPictures(mnist)];
  // nothing else matters then: the two pictures have next to nothing in common
  if (mnist.inverted) return ["The picture is dark on bright, and the tutorial's way does not invert it: MNIST's digits are bright on dark."];
  const made = boundsOf(mnist.pixels, shape);
  const plain = mnist.box.map((value, k) => (value * shape[k % 2]) / mnist.picture[k % 2]);
  const [large, usual] = [sideOf(plain), sideOf(made)];
  const away = Math.hypot(middleOf(plain, 0) - middleOf(made, 0), middleOf(plain, 1) - middleOf(made, 1));
  const found = [];
  if (Math.max(large / usual, usual / large) > SIZE) found.push(`As it stands it is ${large.toFixed(0)} pixels large, and MNIST's digits are ${usual.toFixed(0)}.`);
  if (away > PLACE * Math.min(...shape)) found.push(`As it stands it lies ${away.toFixed(0)} pixels beside the place that MNIST gives it, in the middle.`);
  if (mnist.widened) found.push("Its strokes are thin, and the tutorial's way does not widen them.");
  return found.length ? found : ["The two pictures differ by little: here that is enough."];
}

const ofOwnPictures = ({ inverted }) => (inverted
  ? "The picture is dark on bright, and the tutorial's way does not invert it: the network's own pictures are bright on dark."
  : "The tutorial's way takes single pixels of the picture; the network's own pictures were made smaller as a whole.");

/** [top, left, bottom, right] of the ink; the last two are outside. */
function boundsOf(pixels, [height, width]) {
  const inked = pixels.flatMap((value, k) => (value >= INK ? [[Math.floor(k / width), k % width]] : []));
  const [rows, columns] = [0, 1].map((axis) => inked.map((place) => place[axis]));
  return [Math.min(height, ...rows), Math.min(width, ...columns), Math.max(0, ...rows) + 1, Math.max(0, ...columns) + 1];
}

/** The longer side of a box. */
const sideOf = ([top, left, bottom, right]) => Math.max(bottom - top, right - left);

/** Its middle, from above (0) or from the left (1). */
const middleOf = (box, axis) => (box[axis] + box[axis + 2]) / 2;
