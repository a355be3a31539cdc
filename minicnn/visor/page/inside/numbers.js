// Numbers as text: fixed digits, "−" as minus sign, a power of ten if needed.

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const minus = (text) => (/[1-9]/.test(text.split("·")[0]) ? text.replace("-", "−") : text.replace("-", ""));

/** 10⁻³ for −3. */
export const power = (exponent) =>
  "10" + [...String(exponent)].map((sign) => (sign === "-" ? "⁻" : SUPERSCRIPTS[sign])).join("");

/** A single number: "0.1235", "−12.3457", "3.210·10⁻⁵"; "–" if it is not finite. */
export function num(value, digits = 4) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 10 ** (1 - digits) && size < 1e5) return minus(value.toFixed(digits));
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e"); // rounds first: never "10.000"
  return minus(`${mantissa}·${power(Number(exponent))}`);
}

/** A formatter for the numbers of one sum, with the digits that the largest one needs. */
export function alike(...values) {
  const most = Math.max(...values.map((value) => Math.abs(value ?? 0)));
  if (most === 0 || most >= 0.01) return (value) => (value === 0 || Math.abs(value) >= 1e5 ? num(value) : minus(value.toFixed(4)));
  const exponent = exponentFor(most, 3);
  return (value) => minus(`${(value / 10 ** exponent).toFixed(3)}·${power(exponent)}`);
}

/** In brackets if it is negative, for use after an operator. */
export const bracketed = (value, write = num) => (value < 0 ? `(${write(value)})` : write(value));

/** The common power of ten for a grid of these numbers; usually 0. */
export function exponentOf(values) {
  const most = Math.max(...values.map((value) => (Number.isFinite(value) ? Math.abs(value) : 0)));
  if (most === 0 || (most >= 0.1 && most < 100)) return 0;
  return exponentFor(most, 2);
}

/** The power of ten that scales `most`, rounded to `digits` decimals, to 1 … 10. */
const exponentFor = (most, digits) => Number(most.toExponential(digits).split("e")[1]);

/** A cell of such a grid: two decimals; exactly zero is "0". */
export function cell(value, exponent) {
  if (!Number.isFinite(value)) return "–";
  return value === 0 ? "0" : minus((value / 10 ** exponent).toFixed(2));
}
