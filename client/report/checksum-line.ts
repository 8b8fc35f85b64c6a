/**
 * A line of a list of checksums as GNU coreutils write it and `sha256sum -c` reads it, as bytes: names need not be
 * UTF-8. A name with a line break or a backslash is written with escapes, which a backslash before the hash says.
 *
 * @param sha256 in hex.
 */
export function checksumLine(sha256: string, name: Uint8Array): Buffer {
  const bytes = Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1');
  const escaped = bytes.replace(/[\\\n\r]/g, (character) => escapes[character] ?? '');
  return Buffer.from(`${escaped === bytes ? '' : '\\'}${sha256}  ${escaped}\n`, 'latin1');
}

const escapes: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r' };
