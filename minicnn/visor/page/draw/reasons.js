// Why the two predictions may differ: what is missing without preprocessing. No side effects.

const INK = 0.25; // as in pictures/prepare.py: fainter pixels do not count for the box
const SIZE = 1.25; // smallest ratio that counts as another size
const PLACE = 2 / 28; // smallest offset that counts, as a share of the side

/** A sentence for each reason; `mnist` from /api/read, the model from /api/about. */
export function reasons(mnist, { shape, preparation }) {
  if (preparation) return [ofOwnPictures(mnist)];
  // the most important reason: the two inputs have almost nothing in common
  if (mnist.inverted) return ["The picture is dark on bright and is not inverted; MNIST's digits are bright on dark."];
  const prepared = boundsOf(mnist.pixels, shape);
  const plain = mnist.box.map((value, k) => (value * shape[k % 2]) / mnist.picture[k % 2]);
  const [large, usual] = [sideOf(plain), sideOf(prepared)];
  const away = Math.hypot(middleOf(plain, 0) - middleOf(prepared, 0), middleOf(plain, 1) - middleOf(prepared, 1));
  const found = [];
  if (Math.max(large / usual, usual / large) > SIZE) found.push(`The digit has a size of ${large.toFixed(0)} pixels; MNIST's digits have ${usual.toFixed(0)}.`);
  if (away > PLACE * Math.min(...shape)) found.push(`The digit is ${away.toFixed(0)} pixels away from the centre, where MNIST's digits are.`);
  if (mnist.widened) found.push("The strokes are thin and are not widened.");
  return found.length ? found : ["The two inputs differ only a little, but here that is enough."];
}

const ofOwnPictures = ({ inverted }) => (inverted
  ? "The picture is dark on bright and is not inverted; the training images are bright on dark."
  : "Without preprocessing the input is single pixels of the picture; the training images were averaged down.");

/** [top, left, bottom, right] of the ink; the last two are outside. */
function boundsOf(pixels, [height, width]) {
  const inked = pixels.flatMap((value, k) => (value >= INK ? [[Math.floor(k / width), k % width]] : []));
  const [rows, columns] = [0, 1].map((axis) => inked.map((place) => place[axis]));
  return [Math.min(height, ...rows), Math.min(width, ...columns), Math.max(0, ...rows) + 1, Math.max(0, ...columns) + 1];
}

/** The longer side of a box. */
const sideOf = ([top, left, bottom, right]) => Math.max(bottom - top, right - left);

/** Its centre along an axis: vertical (0) or horizontal (1). */
const middleOf = (box, axis) => (box[axis] + box[axis + 2]) / 2;
