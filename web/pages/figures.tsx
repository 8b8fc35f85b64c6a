import { bytesByNight, lastWritten, type Night, type WrittenArchive } from '../../catalog/figures/written.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { formatTime } from '../../config/local-time.js';
import { formatBytes } from '../../config/sizes.js';
import { t } from '../../messages/shown.js';

/** Nights that the plot shows, and archives; smaller ones say more of seeking than of a drive's speed. */
const nightsShown = 60;
const archivesShown = 200;
const leastBytes = 10_000_000;

const dayMs = 86_400_000;

/** What is plotted. */
export interface Figures {
  nights: Night[];
  written: WrittenArchive[];
}

/** Reads it: every copy of the catalog, so that it is not done for every look. */
export async function readFigures(catalog: Catalog, now: number): Promise<Figures> {
  return {
    nights: await bytesByNight(catalog, now - nightsShown * dayMs, now),
    written: await lastWritten(catalog, leastBytes, archivesShown),
  };
}

/** The plots, each with its figures as a table, from which the script draws it. */
export function Plots({ figures: { nights, written } }: { figures: Figures }) {
  if (nights.every(({ bytes }) => bytes === 0) && written.length === 0) return <></>;
  const unit = unitFor(Math.max(...nights.map(({ bytes }) => bytes)));
  return (
    <section aria-labelledby="figures-head">
      <h2 id="figures-head">{t`Figures`}</h2>
      <div class="plots">
        <Plot
          kind="bars"
          title={t`On tape in each night (noon to noon)`}
          head={[t`Night`, t`On tape`]}
          rows={nights.map(({ at, bytes }) => ({
            at,
            label: formatTime(at).slice(0, 10),
            value: bytes / unit.bytes,
            text: formatBytes(bytes),
          }))}
          unit={unit.name}
        />
        <Plot
          kind="points"
          title={t`Speed of each archive written`}
          head={[t`Written`, t`Speed`]}
          rows={written.map(({ at, bytesPerSecond, drive }) => ({
            at,
            label: formatTime(at),
            value: bytesPerSecond / 1e6,
            text: `${(bytesPerSecond / 1e6).toFixed(0)} MB/s`,
            series: drive,
          }))}
          unit="MB/s"
        />
      </div>
    </section>
  );
}

/** The unit in which the largest of some bytes has few digits. */
function unitFor(most: number): { name: string; bytes: number } {
  if (most >= 1e12) return { name: 'TB', bytes: 1e12 };
  return most >= 1e9 ? { name: 'GB', bytes: 1e9 } : { name: 'MB', bytes: 1e6 };
}

interface PlottedRow {
  at: number;
  label: string;
  value: number;
  text: string;
  series?: string;
}

function Plot(props: {
  kind: 'bars' | 'points';
  title: string;
  head: [string, string];
  rows: PlottedRow[];
  unit: string;
}) {
  const { kind, title, head, rows, unit } = props;
  if (rows.length === 0) return <></>;
  return (
    <figure class="plot" data-plot={kind} data-unit={unit} data-time={t`Time`}>
      <figcaption>{title}</figcaption>
      <details>
        <summary>{t`The same as a table`}</summary>
        <table>
          <caption class="unseen">{title}</caption>
          <thead>
            <tr>
              {rows[0]?.series === undefined ? '' : <th scope="col">{t`Drive`}</th>}
              {head.map((name) => (
                <th scope="col">{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ at, label, value, text, series }) => (
              <tr
                data-at={String(Math.round(at / 1000))}
                data-value={String(value)}
                data-series={series ?? ''}
              >
                {series === undefined ? '' : <td>{series}</td>}
                <td>{label}</td>
                <td>{text}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
