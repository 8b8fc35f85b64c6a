/** A metric of Prometheus' text format. */
interface Family {
  /** Its lines `# HELP` and `# TYPE`. */
  head: string[];
  samples: string[];
}

/**
 * Joins what several processes publish in Prometheus' text format (version 0.0.4), in which all samples of a metric
 * must be together. The help is that of the first. Their samples must differ by a label.
 */
export function joinExpositions(texts: readonly string[]): string {
  const families = new Map<string, Family>();
  for (const text of texts) {
    let family: Family | undefined;
    let isNew = false;
    for (const line of text.split('\n')) {
      const [, kind, name = ''] = /^# (HELP|TYPE) (\S+)/.exec(line) ?? [];
      if (kind === undefined) {
        if (line !== '' && !line.startsWith('#')) family?.samples.push(line);
        continue;
      }
      if (kind === 'HELP' || family === undefined || !isOf(family, name)) {
        isNew = !families.has(name);
        family = families.get(name) ?? { head: [], samples: [] };
        families.set(name, family);
      }
      if (isNew) family.head.push(line);
    }
  }
  const lines = [...families.values()].flatMap(({ head, samples }) => [...head, ...samples]);
  return lines.map((line) => `${line}\n`).join('');
}

function isOf({ head }: Family, name: string): boolean {
  return head.some((line) => line.startsWith(`# HELP ${name} `));
}
