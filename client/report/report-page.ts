import { shown, shownLanguage, t } from '../../messages/shown.js';
import { formatBytes } from '../../config/sizes.js';
import { formatCount } from '../../config/counts.js';
import { formatTime } from '../../config/local-time.js';
import type { Report } from '../../operations/report/report.js';
import { type Html, html, Html as Raw } from './html.js';
import { plot } from './plot.js';
import { periodText, summaryFigures } from './report-summary.js';
import { reportTables, speedText, type ReportTable } from './report-tables.js';
import { style } from './style.js';
import { reportHead } from './write-report.js';

/**
 * A report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere.
 *
 * @param of the installation and host that it is of.
 */
export function reportPage(report: Report, of: { installation: string; host: string }): string {
  const page = html`${new Raw(reportHead)}
    <html lang="${shownLanguage()}">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>tapeflow: ${periodText(report)}</title>
        <style>
          ${new Raw(style)}
        </style>
      </head>
      <body>
        <header>
          <h1>${t`Backups to tape`}</h1>
          <p class="soft">${t`${periodText(report)} · installation ${of.installation}, host ${of.host}`}</p>
        </header>
        <main>
          <dl>
            ${summaryFigures(report).map(
              ({ name, value, more }) =>
                html`<div>
                  <dt>${name}</dt>
                  <dd>${value}<small>${more}</small></dd>
                </div>`,
            )}
          </dl>
          ${needsPerson(report)} ${growthPlots(report)} ${speedPlot(report)}
          ${reportTables(report, { allSets: true }).map(tableOf)}
        </main>
        <footer>
          <p class="soft">
            ${t`Written ${formatTime(report.to)} by tapeflow. docs/operations.md, “Reports”, says how each figure
            is made.`}
          </p>
        </footer>
      </body>
    </html> `;
  return page.text;
}

function needsPerson({ facts }: Report): Html {
  if (facts.length === 0)
    return html`<h2>${t`What needs a person`}</h2>
      <p>${t`Nothing does.`}</p>`;
  return html`<h2 class="bad">${t`What needs a person`}</h2>
    <ul>
      ${facts.map(
        ({ what, todo, command }) =>
          html`<li>${shown(what)}<br /><span class="soft">${shown(todo)}</span> <code>${command}</code></li>`,
      )}
    </ul>`;
}

function cameIn(days: number): string {
  const each: Record<number, string> = {
    1: t`What came to tape for each day`,
    7: t`What came to tape for each week`,
    28: t`What came to tape for each four weeks`,
  };
  return each[days] ?? t`What came to tape for each ${days} days`;
}

function growthPlots({ growth, to }: Report): Html {
  const { steps, days } = growth;
  const [first] = steps;
  if (first === undefined || growth.before.bytes + growth.added.bytes === 0) return html``;
  const axis = { from: first.at, to, format: formatBytes };
  const day = (at: number) => formatTime(at).slice(0, 10);
  const label = cameIn(days);
  const came = plot({
    ...{ ...axis, kind: 'bars', label },
    points: steps.map(({ at, bytes, archives }) => ({
      ...{ at, value: bytes },
      title: `${day(at)}${t`: `}${formatBytes(bytes)}${t` in ${formatCount(archives, 'archive')}`}`,
    })),
  });
  // What is there at the end of a step, from what was there before the first.
  const points = [
    { at: first.at, value: growth.before.bytes, title: day(first.at) },
    ...steps.map(({ total }, index) => {
      const at = steps[index + 1]?.at ?? to;
      return { at, value: total, title: `${day(at)}${t`: `}${formatBytes(total)}` };
    }),
  ];
  const there = t`What is on tape now, by when it came; each copy counts`;
  return html`<h2>${t`Growth`}</h2>
    <figure>
      ${came}
      <figcaption class="soft">${label}</figcaption>
    </figure>
    <figure>
      ${plot({ ...axis, kind: 'area', label: there, points })}
      <figcaption class="soft">${there}</figcaption>
    </figure>`;
}

function speedPlot({ sets, growth, from, to }: Report): Html {
  const measured = sets.filter(({ written, writeSeconds }) => written > 0 && writeSeconds > 0);
  if (measured.length === 0) return html``;
  const start = Math.min(growth.steps[0]?.at ?? from, measured[0]?.startedAt ?? from);
  const label = t`Bytes written to tape by the seconds of writing, for each set`;
  const points = measured.map(({ setId, startedAt, written, writeSeconds }) => ({
    ...{ at: Math.max(start, startedAt), value: written / writeSeconds },
    title: `${setId}${t`: `}${speedText(written, writeSeconds)}`,
  }));
  const format = (value: number) => `${formatBytes(value)}/s`;
  return html`<h2>${t`Speed`}</h2>
    <figure>
      ${plot({ kind: 'dots', points, from: start, to, label, format })}
      <figcaption class="soft">${label}</figcaption>
    </figure>`;
}

function tableOf({ title, note, head, rows, empty }: ReportTable): Html {
  if (rows.length === 0)
    return html`<h2>${title}</h2>
      <p>${empty}</p>`;
  const kinds = head.map((word) => kindOf[word] ?? '');
  return html`<h2>${title}</h2>
    ${note === '' ? '' : html`<p class="soft">${note}</p>`}
    <div class="wide">
      <table>
        <thead>
          <tr>
            ${head.map((word, column) => html`<th scope="col" class="${kinds[column] ?? ''}">${shown(word)}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) =>
              html`<tr>
                ${row.map((cell, column) => cellOf(cell, kinds[column] ?? ''))}
              </tr> `,
          )}
        </tbody>
      </table>
    </div>`;
}

function cellOf(cell: string | number, kind: string): Html {
  const text = typeof cell === 'number' ? cell.toLocaleString('en') : cell;
  return html`<td class="${typeof cell === 'number' ? 'number' : kind}">${text}</td>`;
}

/** How the columns are set. */
const kindOf: Record<string, string> = Object.fromEntries([
  ...['SETS', 'COMPLETE', 'FILES', 'SIZE', 'GROWTH', 'ENTRIES', 'ON TAPE', 'SPEED', 'WRITTEN'].map((head) => [
    head,
    'number',
  ]),
  ...['ARCHIVES', 'FREE', 'CAPACITY', 'TAPES', 'NEVER VERIFIED', 'DAMAGED', 'ONE COPY', 'NO GOOD COPY'].map(
    (head) => [head, 'number'],
  ),
  ...['SET', 'STARTED', 'TIME', 'LAST SUCCESS', 'OLDEST PROOF', 'EXPIRES', 'KEPT'].map((head) => [
    head,
    'time',
  ]),
  ...['SOURCES', 'WHY', 'OF'].map((head) => [head, 'name']),
]) as Record<string, string>;
