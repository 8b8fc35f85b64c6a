export interface Line {
  name: string;
  points: [number, number][];
}

export interface Chart {
  title: string;
  x: string;
  y: string;
  lines: Line[];
  /** Powers of ten are equally far from each other. */
  logX?: boolean;
}

const [width, height] = [640, 360];
const frame = { left: 70, right: 20, top: 40, bottom: 50 };
const colours = ['#1f77b4', '#ff7f0e', '#2ca02c', '#d62728', '#9467bd'];

const escaped = (text: string) => text.replace(/[&<>]/g, (char) => `&#${char.charCodeAt(0)};`);
const label = (x: number, y: number, text: string, anchor = 'middle', extra = '') =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}" ${extra}>${escaped(text)}</text>`;

/** A step of 1, 2 or 5 times a power of ten, so that there are about five of them up to `most`. */
function niceStep(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most / 5));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => most / step <= 5.5) ?? most;
}

/** An SVG of lines with their points, from 0 on the y axis. */
export function lineChart({ title, x, y, lines, logX = false }: Chart): string {
  const xs = [...new Set(lines.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b);
  const scale = logX ? Math.log10 : (value: number) => value;
  const [least, most] = [scale(xs[0] ?? 1), scale(xs.at(-1) ?? 1)];
  const highest = Math.max(...lines.flatMap(({ points }) => points.map(([, value]) => value)), 1e-9);
  const step = niceStep(highest * 1.1);
  const top = Math.ceil((highest * 1.05) / step) * step;
  const inner = { width: width - frame.left - frame.right, height: height - frame.top - frame.bottom };
  const toX = (value: number) =>
    frame.left + (most === least ? 0.5 : (scale(value) - least) / (most - least)) * inner.width;
  const toY = (value: number) => frame.top + (1 - value / top) * inner.height;
  const at = (value: number) => Number(value.toFixed(1));

  const parts = [label(width / 2, 22, title, 'middle', 'font-size="15"')];
  for (let value = 0; value <= top + step / 2; value += step) {
    const level = at(toY(value));
    parts.push(
      `<line x1="${frame.left}" x2="${width - frame.right}" y1="${level}" y2="${level}" stroke="#ddd"/>`,
      label(frame.left - 8, level + 4, String(Number(value.toPrecision(6))), 'end'),
    );
  }
  for (const value of xs)
    parts.push(label(at(toX(value)), height - frame.bottom + 18, value.toLocaleString('en')));
  parts.push(label(width / 2, height - 12, x));
  parts.push(label(18, height / 2, y, 'middle', `transform="rotate(-90 18 ${height / 2})"`));
  lines.forEach(({ name, points }, i) => {
    const colour = colours[i % colours.length];
    const path = points.map(([px, py]) => `${at(toX(px))},${at(toY(py))}`).join(' ');
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const [px, py] of points)
      parts.push(`<circle cx="${at(toX(px))}" cy="${at(toY(py))}" r="3" fill="${colour}"/>`);
    const row = frame.top + 14 + i * 17;
    parts.push(`<rect x="${frame.left + 10}" y="${row - 9}" width="10" height="10" fill="${colour}"/>`);
    parts.push(label(frame.left + 26, row, name, 'start'));
  });
  const font = 'font-family="sans-serif" font-size="12"';
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ${font}>
<rect width="${width}" height="${height}" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
}
