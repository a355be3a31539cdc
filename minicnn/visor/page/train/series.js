// Prepares series for drawing. No side effects.

export const MOST = 1500; // points of a line: more than the pixels of a chart

/**
 * A line of about `most` points or fewer with the shape of (x, y): keeps the minimum and maximum of
 * each group of neighbours. A null y (a value that is not finite) leaves a gap.
 *
 * from, to: only the points with x in this range, and the neighbours on both sides.
 */
export function thin(x, y, { most = MOST, from = -Infinity, to = Infinity } = {}) {
  let first = 0, last = Math.min(x.length, y.length);
  while (first + 1 < last && x[first + 1] < from) first++;
  while (last - 2 >= first && x[last - 2] > to) last--;
  const size = (last - first) / (most / 2);
  if (size <= 2) return { x: x.slice(first, last), y: y.slice(first, last) };
  const chosen = { x: [], y: [] };
  for (let start = first; start < last; start += size) {
    keepExtremes(x, y, Math.floor(start), Math.min(Math.floor(start + size), last), chosen);
  }
  return chosen;
}

function keepExtremes(x, y, start, end, chosen) {
  let least = -1, greatest = -1;
  for (let i = start; i < end; i++) {
    if (y[i] === null) continue;
    if (least < 0 || y[i] < y[least]) least = i;
    if (greatest < 0 || y[i] > y[greatest]) greatest = i;
  }
  const places = least < 0 ? [start] : least === greatest ? [least] : [Math.min(least, greatest), Math.max(least, greatest)];
  for (const place of places) {
    chosen.x.push(x[place]);
    chosen.y.push(y[place]);
  }
}

const STEPS = [1, 2, 5];

/** The end of an axis that grows in few steps: 1, 2, 5, 10, 20, …, at most `most`. */
export function roundUp(value, most = Infinity) {
  for (let power = 1; ; power *= 10) {
    for (const step of STEPS) if (step * power >= value || step * power >= most) return Math.min(step * power, most);
  }
}

/** [minimum, maximum] of the lines' y with x >= from, with a margin; null: none. */
export function extent(lines, from) {
  let low = Infinity, high = -Infinity;
  for (const { x, y } of lines) {
    for (let i = 0; i < y.length; i++) {
      if (x[i] < from || y[i] === null || y[i] === undefined) continue;
      low = Math.min(low, y[i]);
      high = Math.max(high, y[i]);
    }
  }
  if (low > high) return null;
  const margin = 0.06 * (high - low) || 0.05 * Math.abs(high) || 0.05;
  return [low - margin, high + margin];
}
