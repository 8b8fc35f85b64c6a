import prettyBytes from 'pretty-bytes';

const units: Record<string, number> = {
  '': 1,
  B: 1,
  K: 1024,
  KB: 1000,
  KIB: 1024,
  M: 1024 ** 2,
  MB: 1000 ** 2,
  MIB: 1024 ** 2,
  G: 1024 ** 3,
  GB: 1000 ** 3,
  GIB: 1024 ** 3,
  T: 1024 ** 4,
  TB: 1000 ** 4,
  TIB: 1024 ** 4,
};

/** Bytes of a size such as `12GiB`, `500MB`, `64K` or `1048576`; undefined for any other text. */
export function parseSize(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$/.exec(text);
  const factor = match === null ? undefined : units[(match[2] ?? '').toUpperCase()];
  if (match === null || factor === undefined) return undefined;
  const bytes = Math.round(Number(match[1]) * factor);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Bytes for people: `1.26 GB` (powers of 1000, as tapes are sold and speeds are given). */
export function formatBytes(bytes: number): string {
  return prettyBytes(Math.max(0, bytes), { maximumFractionDigits: bytes < 10_000 ? 0 : 2 });
}
