import { formatTime } from '../../config/local-time.js';
import { type Html, html } from './html.js';

/** A value at a time (milliseconds since 1970), and what it is, for who points at it. */
export interface Point {
  at: number;
  value: number;
  title: string;
}

export interface PlotWish {
  kind: 'bars' | 'area' | 'dots';
  points: readonly Point[];
  /** The times at both ends. */
  from: number;
  to: number;
  /** What the plot shows, for who cannot see it. */
  label: string;
  /** A value of the axis, in words. */
  format: (value: number) => string;
}

const [width, height] = [720, 190];
const margin = { left: 76, right: 12, top: 10, bottom: 24 };
const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
const bottom = margin.top + inner.height;
/** Dates below the plot; times, too, where each day would be there more than once. */
const dates = 5;
const dateOf = (at: number) => formatTime(at).slice(0, 10);
const dateAndTimeOf = (at: number) => formatTime(at).slice(5, 16);
const fewDaysMs = (dates - 1) * 86_400_000;

/** A plot as SVG, with its own axis; colours come from the page's style. */
export function plot({ kind, points, from, to, label, format }: PlotWish): Html {
  const ticks = ticksTo(Math.max(...points.map(({ value }) => value), 0));
  const top = ticks.at(-1) ?? 1;
  const x = (at: number) => round(margin.left + (inner.width * (at - from)) / Math.max(1, to - from));
  const y = (value: number) => round(bottom - (inner.height * value) / top);
  const lines = ticks.map(
    (tick) =>
      html`<line x1="${margin.left}" x2="${width - margin.right}" y1="${y(tick)}" y2="${y(tick)}" />
        <text x="${margin.left - 8}" y="${y(tick) + 4}" text-anchor="end">${format(tick)}</text>`,
  );
  const days = Array.from({ length: dates }, (_, index) => from + ((to - from) * index) / (dates - 1));
  const dated = to - from < fewDaysMs ? dateAndTimeOf : dateOf;
  const words = days.map((at, index) => {
    const anchor = index === 0 ? 'start' : index === dates - 1 ? 'end' : 'middle';
    return html`<text x="${x(at)}" y="${height - 6}" text-anchor="${anchor}">${dated(at)}</text>`;
  });
  const drawn = { bars, area, dots }[kind](points, x, y);
  return html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">
    <g class="axis">${lines}${words}</g>
    <g class="marks">${drawn}</g>
  </svg>`;
}

type Scale = (value: number) => number;

function bars(points: readonly Point[], x: Scale, y: Scale): Html[] {
  const step = inner.width / Math.max(1, points.length);
  return points.map(({ at, value, title }, index) => {
    const end = points[index + 1]?.at;
    const wide = end === undefined ? width - margin.right - x(at) : x(end) - x(at);
    const shown = Math.max(0.5, Math.min(wide, step) * 0.85);
    return value === 0
      ? html``
      : html`<rect x="${x(at)}" y="${y(value)}" width="${round(shown)}" height="${round(bottom - y(value))}"
          ><title>${title}</title></rect
        >`;
  });
}

function area(points: readonly Point[], x: Scale, y: Scale): Html {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return html``;
  const line = points.map(({ at, value }) => `${x(at)},${y(value)}`).join(' ');
  return html`<polygon points="${x(first.at)},${bottom} ${line} ${x(last.at)},${bottom}"
      ><title>${last.title}</title></polygon
    >
    <polyline points="${line}" />`;
}

function dots(points: readonly Point[], x: Scale, y: Scale): Html[] {
  return points.map(
    ({ at, value, title }) =>
      html`<circle cx="${x(at)}" cy="${y(value)}" r="3.5"><title>${title}</title></circle>`,
  );
}

/** Round values from 0 to at least the largest one, four or so: 1, 2 or 5 times a power of ten apart. */
export function ticksTo(largest: number): number[] {
  if (!(largest > 0)) return [0, 1];
  const rough = largest / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  return Array.from({ length: Math.ceil(largest / step) + 1 }, (_, index) => index * step);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
