import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { ArchiveDamaged } from '../../archive/readers/archive-file.js';
import { encodeHeaders } from '../../archive/tar/tar-header.js';
import { paddedBytes } from '../../archive/tar/tar-records.js';
import { CheckedFiles } from '../../archive/unpack/checked-files.js';
import type { WantedMember } from '../../archive/unpack/unpack-options.js';
import { fromText } from '../../entry/byte-string.js';
import { loadAddon } from '../../native/addon.js';

const checkFiles = loadAddon()?.checkFiles;
const skip = checkFiles === undefined ? 'needs the native part on Linux' : false;

const plain = { type: 'file', mode: 0o644, uid: 0, gid: 0, nlink: 1, linkTarget: null } as const;

/** A piece of an archive with these files, what is wanted of them, and their contents. */
function pieceOf(files: readonly Partial<WantedMember>[], start = 1 << 20) {
  const parts: Buffer[] = [];
  const contents: Buffer[] = [];
  let offset = start;
  const members = files.map((file, no): WantedMember => {
    const content = Buffer.alloc((no * 211) % 1400, `content ${no} `);
    const sha256 = createHash('sha256').update(content).digest('hex');
    const facts = {
      ...plain,
      name: `folder/${no}`,
      mtimeS: 1_700_000_000,
      mtimeNs: 0,
      attributes: undefined,
    };
    const member = { ...facts, ...file, size: content.length, sha256, offset, linkOffset: null };
    const bytes = Buffer.concat([encodeHeaders(member), content]);
    parts.push(bytes, Buffer.alloc(paddedBytes(bytes.length) - bytes.length));
    offset += paddedBytes(bytes.length);
    contents.push(content);
    return member;
  });
  return { chunk: { start, data: Buffer.concat(parts) }, members, contents };
}

/** Looks at all members; also how many files each call of the native part knew. */
function contentsOf({ chunk, members }: Omit<ReturnType<typeof pieceOf>, 'contents'>) {
  const known: number[] = [];
  const checked = new CheckedFiles((...given) => {
    known.push(checkFiles?.(...given) ?? 0);
    return known.at(-1) ?? 0;
  });
  checked.begin(members);
  const contents = members.map((member, at) => {
    try {
      return checked.content(chunk, member, at);
    } catch (error) {
      assert.ok(error instanceof ArchiveDamaged);
      return undefined;
    }
  });
  return { contents, known };
}

test('plain files of all modes, owners and times are known by one call of the native part', { skip }, () => {
  const modes = [0, 0o600, 0o644, 0o4755, 0o7777].map((mode) => ({ mode }));
  const owners = [{ uid: 0o777777, gid: 0o1000000 }, { uid: 0o7777777 }, { gid: 65534 }];
  const seconds = [0, 1, 1_700_000_000, 8 ** 10 - 1, 8 ** 10, 8 ** 11 - 1];
  const times = seconds.flatMap((mtimeS) => [0, 1, 999_999_999].map((mtimeNs) => ({ mtimeS, mtimeNs })));
  const names = ['a', `${'d/'.repeat(49)}f`, "a b\n\x01\x7f'"].map((name) => ({ name }));
  const piece = pieceOf([...modes, ...owners, ...times, ...names]);
  const { contents, known } = contentsOf(piece);
  assert.deepEqual(contents, piece.contents);
  assert.deepEqual(known, [piece.members.length]);
});

test('other files are looked at by themselves, and those around them together', { skip }, () => {
  const others: Partial<WantedMember>[] = [
    { name: fromText('größe') },
    { name: `folder/${'long'.repeat(30)}` },
    { mtimeS: -1 },
    { mtimeS: -2, mtimeNs: 5 },
    { uid: 0o10000000 },
    { attributes: [] as unknown as WantedMember['attributes'] },
  ];
  const some = () => Array.from({ length: 20 }, () => ({}));
  const piece = pieceOf(others.flatMap((other) => [...some(), other]));
  const { contents, known } = contentsOf(piece);
  assert.deepEqual(contents, piece.contents);
  assert.ok(known.length < 8 * others.length, `${known.length} calls`);
});

test('what is not as the catalog says is found, and nothing else', { skip }, () => {
  const piece = pieceOf(Array.from({ length: 30 }, (_, no) => ({ mtimeNs: no % 2 })));
  const { chunk, members } = piece;
  const lost = new Set([0, 7, 8, 29]);
  for (const at of lost) {
    const { offset, mtimeNs } = members[at] ?? assert.fail();
    // In turn the name in a header, and the content.
    const place = offset - chunk.start + (at === 7 ? 0 : (mtimeNs === 0 ? 1 : 3) * 512);
    chunk.data[place] = (chunk.data[place] ?? 0) ^ 1;
  }
  // The first has no content: what follows its header is the next one's.
  const { contents } = contentsOf(piece);
  const right = piece.contents.map((content, at) => (lost.has(at) && at !== 0 ? undefined : content));
  right[1] = undefined;
  assert.deepEqual(contents, right);
  const [first, ...rest] = pieceOf([{}, {}, {}]).members;
  assert.ok(first !== undefined);
  // A member of which a piece holds only the beginning, and one that lies before it.
  const cut = { start: chunk.start, data: chunk.data.subarray(0, 512) };
  assert.equal(contentsOf({ chunk: cut, members: [{ ...first, size: 5 }, ...rest] }).contents[0], undefined);
});
