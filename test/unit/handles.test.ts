import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { packInThread } from '../../archive/pack/pack-in-thread.js';
import { unpackInThread } from '../../archive/unpack/unpack-in-thread.js';
import { FakeLtfs } from '../support/fake-ltfs.js';
import { plan } from '../support/plan.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';
import { noOwners } from '../../entry/owner-choice.js';

/** What this process has open below a folder. */
function openBelow(folder: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(`${folder}/`) ? [target] : [];
    } catch {
      return [];
    }
  });
}

const header = {
  ...{ set: '2026-11_000001', setUuid: 'u', group: 1, archive: 'a.tar.gz', created: '2026-11-24T00:00:00Z' },
  ...{ installation: 'i', sources: [], hostname: 'h', mode: 'full', platform: process.platform },
};

/** Packs a few megabytes straight into a folder, as direct mode does on to the tape. */
function packInto(folder: string, source: string, between: () => Promise<void> = async () => undefined) {
  const members = plan(source);
  async function* pages() {
    yield members.slice(0, 2);
    await between();
    yield members.slice(2);
  }
  return packInThread({
    archivePath: path.join(folder, 'a.tar.gz.1.part'),
    manifestPath: path.join(folder, 'a.manifest.jsonl.gz.1.part'),
    pages: pages(),
    alreadySkipped: [],
    level: 1,
    inFlight: 2,
    maxBytes: null,
    manifestHeader: header,
    signal: new AbortController().signal,
    onBatch: () => undefined,
    onProgress: () => undefined,
  });
}

function sourceOf(t: Parameters<typeof tempFolder>[0], files: number): string {
  const source = tempFolder(t);
  for (let i = 0; i < files; i += 1) writeTree(source, { [`f${i}`]: noise(3_000_000, `handles ${i}`) });
  return source;
}

test('an archive that is packed on to a tape leaves no file open when the device fails', async (t) => {
  const ltfs = await FakeLtfs.make(t);
  if (ltfs === undefined) return;
  ltfs.faults({ write: { errno: 'EIO', after_bytes: 2_000_000 }, flush: { errno: 'EIO' } });
  await assert.rejects(packInto(ltfs.mount, sourceOf(t, 2)), /EIO|EROFS/);
  assert.deepEqual(openBelow(ltfs.mount), []);
  ltfs.faults({});
  await ltfs.eject();
});

test('an archive that is packed on to a tape leaves no file open when the ltfs process dies', async (t) => {
  const ltfs = await FakeLtfs.make(t);
  if (ltfs === undefined) return;
  const packing = packInto(ltfs.mount, sourceOf(t, 4), () => ltfs.kill());
  await assert.rejects(packing, /ENOTCONN|ECONNABORTED/);
  assert.deepEqual(openBelow(ltfs.mount), []);
  ltfs.unmount();
});

test('an archive whose device fails while it is opened for reading leaves no file open', async (t) => {
  const ltfs = await FakeLtfs.make(t);
  if (ltfs === undefined) return;
  const source = sourceOf(t, 1);
  await packInto(ltfs.mount, source);
  // A new mount: nothing of the archive is in the system's cache.
  await ltfs.eject();
  await ltfs.load();
  const reasons: (string | undefined)[] = [];
  ltfs.faults({ read: { errno: 'EIO' }, flush: { errno: 'EIO' } });
  const target = tempFolder(t);
  const reading = unpackInThread({
    archivePath: path.join(ltfs.mount, 'a.tar.gz.1.part'),
    format: 'gzip',
    codec: 'auto',
    index: undefined,
    target,
    overwrite: 'never',
    owners: noOwners,
    own: {},
    job: { name: 'restore-000001', token: 't' },
    inFlight: 2,
    pages: (async function* () {
      yield plan(source).map((member) => ({ ...member, sha256: null, offset: 0, linkOffset: null }));
    })(),
    signal: new AbortController().signal,
    onBatch: (batch) => reasons.push(...batch.map(({ reason }) => reason)),
    onProgress: () => undefined,
  });
  const end = await reading.then(() => reasons.join(), String);
  assert.match(end, /EIO|input\/output error/);
  assert.deepEqual([...openBelow(ltfs.mount), ...openBelow(target)], []);
});
