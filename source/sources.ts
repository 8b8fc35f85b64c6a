import path from 'node:path';

/** The sources except those inside another one, in member name order. */
export function outermost(sources: string[]): string[] {
  const unique = [...new Set(sources)].sort((a, b) => a.length - b.length);
  const kept: string[] = [];
  for (const source of unique) {
    if (!kept.some((outer) => isInside(source, outer))) kept.push(source);
  }
  return kept.sort();
}

/** True when a path equals another or lies below it; both absolute and resolved. */
export function isInside(inner: string, outer: string): boolean {
  const relative = path.relative(outer, inner);
  return (
    relative === '' ||
    (!relative.startsWith(`..${path.sep}`) && relative !== '..' && !path.isAbsolute(relative))
  );
}
