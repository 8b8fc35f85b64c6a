import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeLtfs } from '../support/fake-ltfs.js';
import { Installation } from '../support/installation.js';
import { longTest, noise, tempFolder, writeTree } from '../support/trees.js';

test(
  'no command waits for a drive that hangs: each says that it does not answer, and ends',
  { skip: longTest },
  async (t) => {
    const ltfs = await FakeLtfs.make(t);
    if (ltfs === undefined) return;
    const source = tempFolder(t);
    writeTree(source, { a: noise(100_000, 'silent') });
    const installation = await Installation.make(t, {
      TAPE_PATH: ltfs.mount,
      TAPE_KIND: 'ltfs',
      DRIVE_ANSWER_SECONDS: '2',
    });
    assert.equal((await installation.run(['tape', 'label', 'LTO001'])).code, 0);
    const { setId } = await installation.json<{ setId: string }>(['backup', source]);
    ltfs.hang();
    const silent = /The drive lto1 \(.*\) has not answered for 2 s\..* or it hangs/s;
    const status = await installation.run(['tape', 'status']);
    assert.match(status.stderr, silent);
    assert.equal(status.code, 1);
    const [doctor, trace, label, catalog] = await Promise.all([
      installation.run(['doctor']),
      installation.run(['trace', setId]),
      installation.run(['tape', 'label', 'LTO002']),
      installation.run(['tape', 'catalog']),
    ]);
    assert.match(doctor.stdout, silent);
    assert.match(trace.stdout, /Drive lto1 mounted\? not known: The drive lto1/);
    assert.match(label.stderr, /has not answered for 2 s|is in use by pid \d+ \(tape catalog\)/);
    assert.match(catalog.stderr, /has not answered for 2 s|is in use by pid \d+ \(tape label\)/);
  },
);
