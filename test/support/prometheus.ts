import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from '../../embedded/free-port.js';
import { projectDir } from '../../config/project-dir.js';
import { tempFolder } from './trees.js';
import { waitFor } from './wait-for.js';

/** Why tests of Prometheus cannot run here; false: they can. */
export const noPrometheus: string | false =
  spawnSync('promtool', ['--version']).status === 0 && spawnSync('prometheus', ['--version']).status === 0
    ? false
    : 'needs prometheus, with promtool (apt-get install prometheus)';

/** The alert rules, their tests, and the example of a configuration. */
export const rulesFolder = path.join(projectDir, 'deploy', 'prometheus');

/** Runs promtool. Its output, of both kinds. */
export function promtool(args: string[], input?: string): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, {
    encoding: 'utf8',
    cwd: rulesFolder,
    ...(input === undefined ? {} : { input }),
  });
  return { status, output: stdout + stderr };
}

/** Samples of an exposition, by name and labels as they stand there. */
export function samplesOf(exposition: string): Map<string, number> {
  const lines = exposition.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

/** One sample of an answer of Prometheus. */
export interface Answer {
  metric: Record<string, string>;
  value: [at: number, value: string];
}

/** A Prometheus that scrapes one target every second, with the rules of deploy/, until the test ends. */
export class Prometheus {
  private constructor(private readonly address: string) {}

  static async start(t: TestContext, target: string): Promise<Prometheus> {
    const folder = tempFolder(t);
    const config = path.join(folder, 'prometheus.yml');
    // JSON is YAML.
    const all = {
      global: { evaluation_interval: '1s' },
      rule_files: [path.join(rulesFolder, 'tapeflow.rules.yml')],
      scrape_configs: [
        {
          job_name: 'tapeflow',
          scrape_interval: '1s',
          scrape_timeout: '1s',
          static_configs: [{ targets: [target] }],
        },
      ],
    };
    writeFileSync(config, JSON.stringify(all));
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      'prometheus',
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${path.join(folder, 'data')}`,
        `--web.listen-address=${address}`,
      ],
      { stdio: 'ignore' },
    );
    t.after(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    });
    const prometheus = new Prometheus(address);
    await waitFor(() => prometheus.query('vector(1)').catch(() => undefined), 'Prometheus to answer');
    return prometheus;
  }

  /** What it answers to a query now. */
  async query(promql: string): Promise<Answer[]> {
    const url = `http://${this.address}/api/v1/query?${new URLSearchParams({ query: promql }).toString()}`;
    const answer = (await (await fetch(url)).json()) as { status: string; data: { result: Answer[] } };
    if (answer.status !== 'success') throw new Error(JSON.stringify(answer));
    return answer.data.result;
  }

  /** Waits for a first sample of a query. */
  async one(promql: string): Promise<Answer> {
    const [answer] = (await waitFor(async () => {
      const answers = await this.query(promql);
      return answers.length > 0 && answers;
    }, `an answer to ${promql}`)) as Answer[];
    if (answer === undefined) throw new Error(`no answer to ${promql}`);
    return answer;
  }
}
