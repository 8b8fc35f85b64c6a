import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { projectDir } from '../../config/project-dir.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { docsDir, requireValid, schemaNamed, schemaOfObject } from '../support/json-schemas.js';
import { tempFolder } from '../support/trees.js';

test('docs/schemas/ is what the code reads: `npm run schemas` makes it anew', async () => {
  const script = pathToFileURL(path.join(projectDir, 'scripts', 'schemas.mjs')).href;
  const { schemaFiles } = (await import(script)) as { schemaFiles(): Record<string, string> };
  const files = schemaFiles();
  assert.deepEqual(readdirSync(path.join(docsDir, 'schemas')).sort(), Object.keys(files).sort());
  for (const [name, text] of Object.entries(files))
    assert.equal(
      readFileSync(path.join(docsDir, 'schemas', name), 'utf8'),
      text,
      `${name}: \`npm run schemas\``,
    );
});

/** The examples of a document: its blocks of JSON. */
function examples(document: string): object[] {
  const blocks = readFileSync(path.join(docsDir, document), 'utf8').matchAll(/^```json\n([^]*?)^```$/gm);
  return [...blocks].map(([, text = '']) => JSON.parse(text) as object);
}

test('docs/format.md has an example of every object, and tells of every key', () => {
  const seen = examples('format.md');
  assert.equal(seen.length, 8);
  const schemas = ['label', 'end-mark', 'manifest-line'].map(schemaNamed);
  const kinds = schemas.flatMap((schema) => schema.anyOf ?? [schema]);
  const text = readFileSync(path.join(docsDir, 'format.md'), 'utf8');
  for (const example of seen) requireValid(schemaOfObject(example), example);
  for (const { properties } of kinds) {
    const isShown = (example: object) => Object.keys(example).every((key) => key in properties);
    assert.ok(seen.some(isShown), `an example with ${Object.keys(properties).join(', ')}`);
    for (const key of Object.keys(properties)) assert.ok(text.includes(`\`${key}\``), key);
  }
});

test('the examples of tapeflow.config.json are good by the schema, and by the program', (t) => {
  const good: Record<string, unknown>[] = [
    ...(examples('operations.md') as Record<string, unknown>[]),
    {
      $schema: 'docs/schemas/config.schema.json',
      ...{ MAX_GROUP_SIZE: '12GiB', STAGING_MAX_BYTES: 40e9, PARALLEL_GROUPS: 2, RETRY_ATTEMPTS: '7' },
      ...{ COMPRESS_DIRECTLY_TO_TAPE: 'no', POOL_RETENTION: 'forever', TAPE_POOL: 'vault' },
    },
  ];
  const bad = [
    { MAX_GRUP_SIZE: 1 },
    { PARALLEL_GROUPS: 0 },
    { COMPRESSION: 'lzma' },
    { drives: { lto1: {} } },
    { drives: { '../x': { path: '/mnt' } } },
    { pools: { daily: { retention: '30d', more: 1 } } },
    { hooks: { h: { before: 'rm' } } },
    { hooks: { h: { before: ['x'], onFailure: 'stop' } } },
    { notify: [{ name: 'x', kind: 'fax', url: 'http://127.0.0.1' }] },
    { notify: [{ name: 'x', kind: 'slack', url: { envir: 'X' } }] },
    { notify: [{ name: 'x', kind: 'slack', url: 'http://127.0.0.1', events: ['fail'] }] },
  ];
  const folder = tempFolder(t);
  const load = (config: object) => {
    writeFileSync(path.join(folder, 'tapeflow.config.json'), JSON.stringify(config));
    return loadSettings({}, folder);
  };
  assert.equal(good.length, 4);
  for (const config of good) {
    requireValid('config', config);
    load(config);
  }
  for (const config of bad) {
    assert.throws(() => requireValid('config', config), JSON.stringify(config));
    assert.throws(() => load(config), JSON.stringify(config));
  }
});
