// Series made ready for drawing. Pure.

export const MOST = 1500; // points of a line: more than a chart has pixels

/**
 * A line of at most about `most` points with the shape of (x, y): of each run of neighbours the least
 * and the greatest stay. Where y is null, as a loss that is not finite, the line has a gap.
 *
 * from, to: only the points with x in between, and the one before and after.
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

/** The end of an axis that grows with the run in few steps: 1, 2, 5, 10, 20, …, at most `most`. */
export function roundUp(value, most = Infinity) {
  for (let power = 1; ; power *= 10) {
    for (const step of STEPS) if (step * power >= value || step * power >= most) return Math.min(step * power, most);
  }
}

/** [least, greatest] of the numbers in the lines' y whose x is >= from, with some room; null: none. */
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
  const room = 0.06 * (high - low) || 0.05 * Math.abs(high) || 0.05;
  return [low - room, high + room];
}
