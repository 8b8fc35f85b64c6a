// What `npm test` prints: the lines of node:test's own reporter `spec`, with places in the sources for those in built
// files, and at the end, in one block, what was skipped and why. The last line is how many tests passed and failed.
// Plain Node without packages.
import { existsSync, readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import path from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { spec } from 'node:test/reporters';

/** How often each reason was given for skipping a test, or a group of tests. */
class Skips {
  /** @type {Map<string, number>} */
  #counts = new Map();

  note({ skip }) {
    if (skip === undefined || skip === false) return;
    const reason = typeof skip === 'string' && skip !== '' ? skip : 'no reason is given';
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  /** A line for each reason, the most frequent first. */
  lines() {
    const counts = [...this.#counts].sort(([a, most], [b, least]) => least - most || (a < b ? -1 : 1));
    const total = counts.reduce((sum, [, count]) => sum + count, 0);
    if (total === 0) return ['Skipped: nothing'];
    return [
      `Skipped: ${total}`,
      ...counts.map(([reason, count]) => `${String(count).padStart(5)}  ${reason}`),
    ];
  }
}

/** The source maps of files that were bundled or compiled; undefined where a file has none. */
const maps = new Map();

function mapOf(file) {
  if (!maps.has(file)) {
    const map = existsSync(`${file}.map`) ? JSON.parse(readFileSync(`${file}.map`, 'utf8')) : undefined;
    maps.set(file, map === undefined ? undefined : new SourceMap(map));
  }
  return maps.get(file);
}

/** A place in a source, relative to this folder, as an editor opens it; what is no such place stays as it is. */
function placeInSource(place, name, line, column) {
  const file = name.startsWith('file:') ? fileURLToPath(name) : path.resolve(name);
  const entry = mapOf(file)?.findEntry(Number(line) - 1, Number(column) - 1);
  if (entry?.originalSource === undefined) return place;
  const source = path.relative('', path.resolve(path.dirname(file), entry.originalSource));
  return `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
}

const withSources = (text) => text.replaceAll(/([^\s()'"]+\.js):(\d+):(\d+)/g, placeInSource);

/** A reporter of node:test, for `--test-reporter`. */
export default async function* report(source) {
  const skips = new Skips();
  // As node:test counts them itself at the end: files and groups are no tests.
  const totals = { pass: 0, fail: 0, cancelled: 0 };
  async function* noted() {
    for await (const event of source) {
      if (event.type === 'test:pass') skips.note(event.data);
      const [, what, number] = /^(pass|fail|cancelled) (\d+)$/.exec(event.data?.message ?? '') ?? [];
      if (event.type === 'test:diagnostic' && what !== undefined) totals[what] = Number(number);
      yield event;
    }
  }
  const printer = new spec();
  Readable.from(noted())
    .on('error', (error) => printer.destroy(error))
    .pipe(printer);
  for await (const text of printer) yield withSources(String(text));
  yield `\n${skips.lines().join('\n')}\n\n${totals.pass} passed, ${totals.fail + totals.cancelled} failed\n`;
}
