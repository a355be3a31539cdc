// The run so far, from the records of live.jsonl (callbacks/live.py) or from history.csv. No access to
// the page.

/** The x of a point of the curves, in epochs: the end of step `step` of epoch `epoch`. */
const position = (epoch, step, steps) => epoch + (step + 1) / steps;

/** The data of a run. Columns are lists of numbers, null if one is not finite. */
export class History {
  constructor() {
    this.forget();
  }

  forget() {
    this.begun = null; // the newest record "begin"
    this.ended = null; // the record "end"
    this.paused = false;
    this.records = 0;
    this.metrics = []; // "loss", "accuracy", …
    // `x` in epochs; `busy`: seconds without those between the epochs
    this.batches = { x: [], seconds: [], busy: [], values: {} };
    // `between`: seconds from the epoch's last batch to its end, for validation and callbacks
    this.epochs = { x: [], seconds: [], between: [], values: {}, mistakes: [] };
    this._between = 0; // the sum of that column
  }

  /** Take the next record. */
  take(record) {
    this.records++;
    this[`_${record.event}`]?.(record);
  }

  /** Take the columns of history.csv, for a run without records. */
  takeColumns({ epoch = [], ...values }) {
    this.epochs.x = epoch;
    this.epochs.values = values;
    this.epochs.seconds = this.epochs.between = this.epochs.mistakes = epoch.map(() => null);
    const found = Object.keys(values).map((name) => name.replace(/^val_/, ""));
    this.metrics = [...new Set(found)].filter((name) => name !== "learning_rate");
  }

  /** The newest { epoch: counted from 1, wrong, mistakes: [[row, true, predicted, probability], …] } or null. */
  get mistakes() {
    return this.epochs.mistakes.findLast(Boolean) ?? null;
  }

  /** The number of trained epochs, with the fraction of the current one. */
  get position() {
    return Math.max(this.batches.x.at(-1) ?? 0, this.epochs.x.at(-1) ?? 0);
  }

  /** The newest value of a column, of an epoch or a batch. */
  newest(name) {
    const { batches, epochs } = this;
    const [newer, older] = (epochs.x.at(-1) ?? -1) >= (batches.x.at(-1) ?? 0) ? [epochs, batches] : [batches, epochs];
    const column = newer.values[name] ?? older.values[name];
    return column?.at(-1) ?? null;
  }

  _begin(record) {
    const [epoch, step] = record.done;
    this.begun = record;
    this.ended = null;
    this.paused = false;
    this.metrics = record.metrics;
    cut(this.epochs, firstBeyond(this.epochs.x, epoch));
    cut(this.batches, firstBeyond(this.batches.x, position(epoch, step - 1, record.steps)));
    this._between = this.epochs.between.reduce((total, seconds) => total + seconds, 0);
  }

  _batches({ event, epoch, step, seconds, ...values }) {
    const known = this.batches.x.length;
    for (let i = 0; i < epoch.length; i++) {
      this.batches.x.push(position(epoch[i], step[i], this.begun.steps));
      this.batches.seconds.push(seconds[i]);
      this.batches.busy.push(seconds[i] - this._between);
    }
    extend(this.batches.values, values, known);
  }

  _epoch({ epoch, seconds, logs, wrong, mistakes }) {
    const known = this.epochs.x.length;
    this.epochs.x.push(epoch + 1);
    this.epochs.seconds.push(seconds);
    const between = seconds - (this.batches.seconds.at(-1) ?? seconds);
    this.epochs.between.push(between);
    this._between += between;
    this.epochs.mistakes.push(mistakes ? { epoch: epoch + 1, wrong, mistakes } : null);
    extend(this.epochs.values, Object.fromEntries(Object.entries(logs).map(([name, value]) => [name, [value]])), known);
  }

  _pause() {
    this.paused = true;
  }

  _continue() {
    this.paused = false;
  }

  _end(record) {
    this.ended = record;
    this.paused = false;
  }
}

/** Add lists to columns with `known` numbers; a new column starts with nulls. */
function extend(columns, added, known) {
  for (const [name, values] of Object.entries(added)) {
    columns[name] ??= Array(known).fill(null);
    while (columns[name].length < known) columns[name].push(null);
    for (const value of values) columns[name].push(value);
  }
}

/** The first index whose x is beyond `last`, up to rounding errors. */
function firstBeyond(x, last) {
  let place = x.length;
  while (place > 0 && x[place - 1] > last + 1e-9) place--;
  return place;
}

function cut({ values, ...columns }, length) {
  for (const column of [...Object.values(columns), ...Object.values(values)]) {
    if (column.length > length) column.length = length;
  }
}
