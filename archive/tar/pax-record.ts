/**
 * `LENGTH KEY=VALUE\n`, where the length includes itself (POSIX pax, "pax Extended Header"). Text and key are byte
 * strings.
 */
export function paxRecord(key: string, value: Buffer | string): Buffer {
  if (typeof value === 'string') {
    const bytes = key.length + value.length + 3;
    return Buffer.from(`${recordLength(bytes)} ${key}=${value}\n`, 'latin1');
  }
  const rest = Buffer.concat([Buffer.from(` ${key}=`, 'latin1'), value, Buffer.from('\n')]);
  return Buffer.concat([Buffer.from(String(recordLength(rest.length))), rest]);
}

/** Bytes of a record, with its length field, before `rest` bytes. */
function recordLength(rest: number): number {
  const length = rest + String(rest).length;
  return String(length).length > String(rest).length ? length + 1 : length;
}
