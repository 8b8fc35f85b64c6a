import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { checkRights } from '../../client/checks/rights-check.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { writeHostFile, readHostFile, type HostFile } from '../../embedded/host-file.js';
import { tempFolder } from '../support/trees.js';

test('doctor names what of ours others can read, with the chmod that mends it, and nothing that they cannot reach', (t) => {
  const root = tempFolder(t);
  chmodSync(root, 0o755);
  const [data, staging, tape] = ['data', 'staging', 'tape'].map((name) => path.join(root, name)) as [
    string,
    string,
    string,
  ];
  const env = { TAPEFLOW_DATA_DIR: data, BACKUP_COMPRESS_DIR: staging, TAPE_PATH: tape };
  const settings = loadSettings({ ...env, TAPEFLOW_LOCK_DIR: path.join(root, 'locks') }, root);
  for (const folder of [data, staging, tape]) mkdirSync(folder);
  writeFileSync(settings.CATALOG_URL, '');
  for (const at of [data, staging]) chmodSync(at, 0o755);
  chmodSync(tape, 0o750);
  chmodSync(settings.CATALOG_URL, 0o644);
  const found = () => checkRights(settings).map(({ finding, advice }) => `${finding} ${advice ?? ''}`);
  const all = found().join('\n');
  assert.match(all, new RegExp(`${data} is open to every user.*mode 755.*chmod 700 ${data}\``));
  assert.match(all, new RegExp(`${tape} is open to its group.*chmod 700 ${tape}\``));
  assert.match(all, new RegExp(`${settings.CATALOG_URL} is open.*chmod 600 ${settings.CATALOG_URL}\``));
  assert.equal(found().length, 4);
  chmodSync(data, 0o700);
  assert.equal(found().length, 2, 'the catalog is behind a private folder now');
  for (const at of [staging, tape]) chmodSync(at, 0o700);
  assert.deepEqual(found(), []);
});

test('the host file is made new, and what an ended host has left half written is in nobody’s way', (t) => {
  const folder = tempFolder(t);
  const host = { pid: 1, token: 'secret' } as HostFile;
  writeFileSync(path.join(folder, `host.json.${process.pid}.part`), 'half', { mode: 0o644 });
  writeHostFile(folder, host);
  assert.deepEqual(readHostFile(folder), host);
});
