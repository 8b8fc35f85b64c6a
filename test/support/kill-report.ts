import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Outcome } from './kill-set.js';
import { describePoint, type Point, type Target } from './kill-point.js';

/** One run: a point, who is killed there, and, once it was run, what came of it. */
export interface Run {
  point: Point;
  target: Target;
  outcome?: Outcome;
}

/** The same for the same run of another time. */
export function keyOf({ point, target }: Run): string {
  return `${point.family} ${point.role} ${describePoint(point)} ${target}`;
}

const heading = `| family | process | no. | point | killed | outcome | seconds |\n|---|---|---|---|---|---|---|`;

function line({ point, target, outcome }: Run): string {
  const { family, role, number } = point;
  const { result = '', seconds = 0, problems = [], root = '', setId = '' } = outcome ?? {};
  const why =
    problems.length === 0 ? '' : `: ${problems.map(({ what }) => what).join('; ')} (${root}, ${setId})`;
  const process = role === 'client' ? 'client' : `${role} worker`;
  const cells = [
    family,
    process,
    number,
    describePoint(point),
    target,
    `${result}${why}`,
    seconds.toFixed(1),
  ];
  return `| ${cells.join(' | ')} |`;
}

/** The table of the long form: printed as it grows, and kept in a file from which a later run can go on. */
export class KillReport {
  readonly runs: Run[] = [];
  private readonly journal: string;

  constructor(
    /** Markdown file; beside it `….jsonl` has a line for each run. */
    readonly file: string,
    resume: boolean,
  ) {
    this.journal = `${file}.jsonl`;
    mkdirSync(path.dirname(file), { recursive: true });
    if (resume && existsSync(this.journal)) {
      const lines = readFileSync(this.journal, 'utf8').trim().split('\n');
      this.runs.push(...lines.filter((text) => text !== '').map((text) => JSON.parse(text) as Run));
    } else {
      rmSync(this.journal, { force: true });
    }
    console.log(heading);
  }

  /** Keys of the runs that need no other. */
  done(): Set<string> {
    return new Set(this.runs.filter((run) => run.outcome?.result === 'recovered').map(keyOf));
  }

  add(run: Run): void {
    this.runs.push(run);
    appendFileSync(this.journal, `${JSON.stringify(run)}\n`);
    console.log(line(run));
  }

  /** Prints the totals and writes the table; false when a run failed. */
  end(seconds: number): boolean {
    // Of a point that was run again, the last run counts.
    const last = new Map(this.runs.map((run) => [keyOf(run), run]));
    const runs = [...last.values()];
    const count = (result: string) => runs.filter((run) => run.outcome?.result === result).length;
    const recovered = runs.flatMap(({ outcome }) =>
      outcome?.result === 'recovered' ? [outcome.seconds] : [],
    );
    recovered.sort((a, b) => a - b);
    const totals = `${runs.length} runs: ${count('recovered')} recovered, ${count('lost')} lost, ${count('doubled')} doubled, ${count('wrong bytes')} wrong bytes, ${count('unclean')} unclean, ${count('not reached')} not reached`;
    const times = `Seconds to recover: median ${recovered[recovered.length >> 1] ?? 0}, longest ${recovered.at(-1) ?? 0}; ${(seconds / 60).toFixed(1)} minutes in all.`;
    writeFileSync(
      this.file,
      `# Kills at every point\n\n${totals}. ${times}\n\n${[heading, ...runs.map(line)].join('\n')}\n`,
    );
    console.log(`\n${totals}\n${times}\nThe table is in ${this.file}.`);
    return runs.every((run) => ['recovered', 'not reached'].includes(run.outcome?.result ?? ''));
  }
}
