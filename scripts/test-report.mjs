// What `npm test` prints: the lines of node:test's own reporter `spec`, and at the end of them, in one block, what was
// skipped and why. The last line is how many tests passed and failed. Plain Node without packages.
import { Readable } from 'node:stream';
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
  yield* printer;
  yield `\n${skips.lines().join('\n')}\n\n${totals.pass} passed, ${totals.fail + totals.cancelled} failed\n`;
}
