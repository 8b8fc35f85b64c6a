import { readFileSync } from 'node:fs';
import path from 'node:path';
import { projectDir } from '../../config/project-dir.js';

/** The names of metrics that a text in PromQL uses, without what a histogram adds to them. */
export function namesIn(text: string): string[] {
  const names = text.match(/\b(?:tapeflow|temporal|process|nodejs)_[a-z0-9_]+/g) ?? [];
  return [...new Set(names.map((name) => name.replace(/_(?:bucket|sum|count)$/, '')))].sort();
}

/** The names that an exposition declares. */
export function declaredIn(exposition: string): string[] {
  return [...exposition.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name);
}

/** The queries of the board for Grafana, all together. */
export function boardQueries(): string {
  const file = path.join(projectDir, 'deploy', 'grafana', 'tapeflow.json');
  const board = JSON.parse(readFileSync(file, 'utf8')) as { panels: { targets?: { expr: string }[] }[] };
  return board.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)).join('\n');
}

/** The alert rules as a text. */
export function alertRules(): string {
  return readFileSync(path.join(projectDir, 'deploy', 'prometheus', 'tapeflow.rules.yml'), 'utf8');
}
