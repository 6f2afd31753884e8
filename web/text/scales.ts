/** Where marks stand on the axis of a chart, and where its values do. Pure. */

/** An axis from 0 up: its marks, and the value at its top. */
export interface Axis {
  top: number;
  marks: { value: number; label: string }[];
}

const STEPS = [1, 2, 5, 10];
const TIME_UNITS = [
  { ms: 3_600_000, name: "h" },
  { ms: 60_000, name: "min" },
  { ms: 1000, name: "s" },
  { ms: 1, name: "ms" },
];

/** An axis for whole numbers up to a greatest one, with about four marks. */
export function countAxis(greatest: number): Axis {
  const step = Math.max(1, findStep(greatest));
  return mark(greatest, step, (value) => value.toLocaleString());
}

/** An axis for durations in ms up to a greatest one, in the unit that suits it. */
export function durationAxis(greatest: number): Axis {
  const unit = TIME_UNITS.find(({ ms }) => greatest >= ms) ?? { ms: 1, name: "ms" };
  const step = findStep(greatest / unit.ms) * unit.ms;
  return mark(greatest, step, (value) => `${round(value / unit.ms)} ${unit.name}`);
}

/** The height of a value above the axis, in px; the top of the axis is `height` above. */
export function toHeight(value: number, axis: Axis, height: number): number {
  return round((value / axis.top) * height);
}

/** The step of a scale that has three to five of them up to a value. */
function findStep(greatest: number): number {
  if (greatest <= 0) return 1;
  const raw = greatest / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  return (STEPS.find((step) => step * power >= raw * 0.999) ?? 10) * power;
}

function mark(greatest: number, step: number, label: (value: number) => string): Axis {
  const count = Math.max(1, Math.ceil(round(greatest / step)));
  const marks = Array.from({ length: count + 1 }, (_, at) => ({ value: at * step, label: label(at * step) }));
  return { top: count * step, marks };
}

/** Without the noise of binary fractions. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
