import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { usualCondition } from '../../activities/conditions.js';
import { ThreadProgram } from '../../config/thread-program.js';
import { tempFolder } from '../support/trees.js';

const replaced = /^The program was replaced while this worker runs\. Stop the workers and start them again/;

test('no thread is started from a file that was replaced or deleted meanwhile: the step waits for new workers', async (t) => {
  const file = path.join(tempFolder(t), 'thread.mjs');
  const text = "import { parentPort } from 'node:worker_threads';\nparentPort.postMessage('here');\n";
  writeFileSync(file, text);
  const program = new ThreadProgram(pathToFileURL(file));
  const start = () => once(program.start({}), 'message');
  assert.deepEqual(await start(), ['here']);

  const reasonNow = async () => {
    try {
      await start();
      return 'started';
    } catch (error) {
      return usualCondition(error);
    }
  };
  writeFileSync(file, text.replace('here', 'there'));
  assert.match((await reasonNow()) ?? '', replaced);
  rmSync(file);
  assert.match((await reasonNow()) ?? '', replaced);
  // The same version again.
  writeFileSync(file, text);
  assert.equal(await reasonNow(), 'started');
});

test('what is loaded late and is gone by then is waited for in the same way', async () => {
  const missing: unknown = await import(pathToFileURL('/nowhere/late.js').href).catch(
    (error: unknown) => error,
  );
  assert.match(usualCondition(missing) ?? '', replaced);
  assert.equal(usualCondition(Object.assign(new Error('no file'), { code: 'ENOENT' })), undefined);
});
