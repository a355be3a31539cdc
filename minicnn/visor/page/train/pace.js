// Progress, speed and remaining time of the run. No side effects.

const LAST_SECONDS = 5; // of training, for the speed
const LAST_EPOCHS = 5; // for the time between two epochs

/**
 * { epoch: counted from 1, epochs, share: of the run in [0, 1], imagesPerSecond, secondsLeft,
 * seconds } of a History; null if it is not known yet.
 *
 * After the end of the run, the speed is the average over its recorded batches.
 */
export function pace(history) {
  const { begun, ended, batches, epochs } = history;
  const seconds = ended?.seconds ?? Math.max(batches.seconds.at(-1) ?? 0, epochs.seconds.at(-1) ?? 0);
  if (!begun) return { epoch: null, epochs: null, share: null, imagesPerSecond: null, secondsLeft: null, seconds: null };
  const done = history.position;
  const secondsAnEpoch = secondsForOne(batches, ended ? Infinity : LAST_SECONDS);
  const left = begun.epochs - done;
  const between = mean(epochs.between.slice(-LAST_EPOCHS)) ?? 0;
  const isKnown = secondsAnEpoch !== null && !ended;
  return {
    epoch: Math.min(Math.floor(done) + 1, begun.epochs),
    epochs: begun.epochs,
    share: begun.epochs ? done / begun.epochs : 1,
    imagesPerSecond: secondsAnEpoch ? begun.num_samples / secondsAnEpoch : null,
    secondsLeft: isKnown ? left * secondsAnEpoch + Math.ceil(left) * between : null,
    seconds,
  };
}

/** Seconds for the batches of a whole epoch, from the last `span` seconds; null: not known yet. */
function secondsForOne({ x, busy }, span) {
  const last = x.length - 1;
  let first = last;
  while (first > 0 && busy[last] - busy[first] < span) first--;
  const trained = x[last] - x[first];
  return first < last && trained > 0 ? (busy[last] - busy[first]) / trained : null;
}

function mean(numbers) {
  const known = numbers.filter(Number.isFinite);
  return known.length ? known.reduce((total, number) => total + number, 0) / known.length : null;
}
