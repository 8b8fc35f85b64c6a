import type { Child } from 'hono/jsx';
import { projectVersion } from '../../config/project-dir.js';
import { formatTime, timeOfDay } from '../../config/local-time.js';
import { escapeForTerminal } from '../../entry/byte-string.js';
import type { Action } from '../actions/actions.js';
import type { Frame } from './frame.js';
import { shownLanguage, t } from '../../messages/shown.js';

/** The pages that every page leads to. */
const places = (): [path: string, title: string][] => [
  ['', t`Now`],
  ['sets', t`Sets`],
  ['tapes', t`Tapes`],
  ['schedules', t`Schedules`],
  ['drives', t`Drives`],
  ['find', t`Search`],
];

interface LayoutProps {
  frame: Frame;
  title: string;
  isLive: boolean;
  children?: Child;
}

/** The whole document around a page. */
export function Layout({ frame, title, isLive, children }: LayoutProps) {
  const { base, at, host, isReadOnly, actions } = frame;
  return (
    <html lang={shownLanguage()}>
      <head>
        <meta charset="utf-8" />
        <title>{`${title} – tapeflow`}</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" href={`${base}assets/icon.svg`} type="image/svg+xml" />
        <link rel="stylesheet" href={`${base}assets/uPlot.min.css`} />
        <link rel="stylesheet" href={`${base}assets/page.css`} />
        <script src={`${base}assets/uPlot.iife.min.js`} defer></script>
        <script src={`${base}assets/plots.js`} defer></script>
        <script src={`${base}assets/page.js`} defer></script>
      </head>
      <body data-live-address={`${base}live`} data-live-of={isLive ? undefined : `${base}messages`}>
        <a class="skip" href="#main">
          {t`To the content`}
        </a>
        <header>
          <a class="brand" href={base}>
            tapeflow
          </a>
          <nav aria-label={t`Pages`}>
            {places().map(([path, name]) => (
              <a href={base + path} aria-current={path === at ? 'page' : undefined}>
                {name}
              </a>
            ))}
          </nav>
          <span
            {...{ id: 'connection', class: 'connection', role: 'status', hidden: true }}
            data-away={t`No connection to tapeflow since ${'{time}'}. It is tried again.`}
            data-refused={t`The page is not let in any more: open the address that \`tapeflow web\` prints.`}
          ></span>
        </header>
        <Messages actions={actions} frame={frame} />
        <main id="main" tabindex={-1}>
          {children}
        </main>
        <footer>
          {t`tapeflow ${projectVersion}, host ${host}`}
          {isReadOnly ? t`, shows only: commands are given on the command line` : ''}
        </footer>
      </body>
    </html>
  );
}

/** What the commands that were given here have said. */
function Messages({ actions, frame }: { actions: readonly Action[]; frame: Frame }) {
  return (
    <section id="messages" data-live aria-live="polite" aria-label={t`Commands given here`}>
      {actions.map(({ no, what, state, lines, at }) => (
        <article class={`message ${state}`} role={state === 'failed' ? 'alert' : undefined}>
          <p>
            <b>{what}</b> <span class="quiet">{actionStateText(state, timeOfDay(at))}</span>
          </p>
          {lines.length === 0 ? '' : <pre>{lines.map(escapeForTerminal).join('\n')}</pre>}
          {state === 'running' ? (
            ''
          ) : (
            <form method="post" action={`${frame.base}actions/dismiss`}>
              <Hidden frame={frame} />
              <input type="hidden" name="no" value={String(no)} />
              <button class="small" id={`dismiss-${no}`}>
                {t`Dismiss`}
              </button>
            </form>
          )}
        </article>
      ))}
    </section>
  );
}

function actionStateText(state: Action['state'], time: string): string {
  if (state === 'running') return t`since ${time}, under way …`;
  return state === 'done' ? t`done (${time})` : t`failed (${time})`;
}

/** What every form sends: that it is one of this page, and where to go on. */
export function Hidden({ frame }: { frame: Frame }) {
  return (
    <>
      <input type="hidden" name="form" value={frame.form} />
      <input type="hidden" name="back" value={frame.back} />
    </>
  );
}

/** The buttons of a form whose command can say first what it would do: `how` is `preview` or `start`. */
export function PreviewOrStart({ label }: { label: string }) {
  return (
    <div class="commands">
      <button name="how" value="preview">
        {t`Preview`}
      </button>
      <button name="how" value="start" class="main">
        {label}
      </button>
    </div>
  );
}

/** A button that gives a command. */
export function Command(props: {
  frame: Frame;
  /** Below `actions/`. */
  path: string;
  fields?: Record<string, string>;
  label: string;
  /** What it acts on, for those who do not see where it stands. */
  about?: string;
  danger?: true;
}) {
  const { frame, path, fields = {}, label, about, danger } = props;
  if (frame.isReadOnly) return <></>;
  const id = `do-${path}-${Object.values(fields).join('-')}`.replace(/[^\w-]/g, '-');
  return (
    <form method="post" action={`${frame.base}actions/${path}`} class="inline">
      <Hidden frame={frame} />
      {Object.entries(fields).map(([name, value]) => (
        <input type="hidden" name={name} value={value} />
      ))}
      <button id={id} class={danger === true ? 'danger' : undefined}>
        {label}
        {about === undefined ? '' : <span class="unseen"> {about}</span>}
      </button>
    </form>
  );
}

/** A time as it stands in lists, which a program can read too; empty when there is none. */
export function Time({ ms }: { ms: number | null | undefined }) {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return <></>;
  return <time datetime={new Date(ms).toISOString()}>{formatTime(ms)}</time>;
}

/** How far something is. */
export function Bar({ part, whole, label }: { part: number; whole: number; label: string }) {
  const percent = whole > 0 ? Math.min(100, Math.floor((part / whole) * 100)) : 0;
  return (
    <progress value={String(percent)} max="100" aria-label={label}>
      {percent} %
    </progress>
  );
}

/** A table that a narrow screen shows as a list of cards; its first column names the row. */
export function Table(props: { caption: string; head: string[]; rows: Child[][]; numbers?: number[] }) {
  const { caption, head, rows, numbers = [] } = props;
  return (
    <table>
      <caption class="unseen">{caption}</caption>
      <thead>
        <tr>
          {head.map((name, column) => (
            <th scope="col" class={numbers.includes(column) ? 'number' : undefined}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((cells) => (
          <tr>
            {cells.map((cell, column) =>
              column === 0 ? (
                <th scope="row">{cell}</th>
              ) : (
                <td data-head={head[column]} class={numbers.includes(column) ? 'number' : undefined}>
                  {cell}
                </td>
              ),
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
