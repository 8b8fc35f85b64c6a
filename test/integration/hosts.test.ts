import assert from 'node:assert/strict';
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { keyFile } from '../../proof/key-file.js';
import { noPostgres } from '../support/postgres.js';
import { assertSameTree, longTest, writeTree } from '../support/trees.js';
import { TwoHosts } from '../support/two-hosts.js';
import { waitFor } from '../support/wait-for.js';

test(
  'two hosts are one installation: sources of each go to the drive of one',
  { skip: noPostgres },
  async (t) => {
    const hosts = await TwoHosts.make(t);
    await hosts.worker('a', 'archive');
    const early = await hosts.run('b', 'worker', 'tape', '--drive', 'vault');
    assert.equal(early.code, 1);
    assert.match(
      early.stderr + early.stdout,
      /Copy .*data\/message\.key of host a to .*data-b\/message\.key/,
    );
    hosts.shareKey();
    const [archiveB] = await Promise.all([
      hosts.worker('b', 'archive'),
      hosts.worker('b', 'tape', '--drive', 'vault'),
    ]);
    const source = hosts.source('source');
    await hosts.ask('a', 'tape', 'label', 'T1', '--drive', 'vault', '--pool', 'default');
    const byHost = { theirs: '' };

    await t.test('each host backs up its own path, and the other’s by its name', async () => {
      const [mine, theirs] = await Promise.all([
        hosts.ask<{ setId: string }>('a', 'backup', source, '--drive', 'vault'),
        hosts.ask<{ setId: string }>('a', 'backup', `b:${source}`, '--drive', 'vault'),
      ]);
      assert.notEqual(mine.setId, theirs.setId, 'the same path on two hosts is two things');
      byHost.theirs = theirs.setId;
      const rows = await hosts.postgres.query<{ id: string; host: string | null }>(
        'select id, host from sets order by id',
        hosts.catalog,
      );
      const hostOf = new Map(rows.map(({ id, host }) => [id, host]));
      assert.deepEqual([hostOf.get(mine.setId), hostOf.get(theirs.setId)], [null, 'b']);
      const listed = (await hosts.run('b', 'sets')).stdout;
      assert.ok(listed.includes(`a:${source}`) && listed.includes(`b:${source}`), listed);
      const ended = (await hosts.run('a', 'watch', mine.setId)).stdout;
      assert.match(ended, /On the tape in drive vault of host b: \/\S+; any/);
      const checked = (await hosts.run('a', 'doctor')).stdout;
      assert.match(checked, /host b: .*tape worker vault/);
      assert.doesNotMatch(checked, /drive vault: directory/);
      assert.match(
        (await hosts.run('b', 'host', 'list')).stdout,
        /^Host b: archive worker, tape worker vault \(/m,
      );
      const forgotten = await hosts.run('b', 'host', 'forget', 'b');
      assert.match(forgotten.stderr, /Host b cannot be forgotten: its workers are at work/);
    });
    await t.test('what is restored to where it came from goes to the host that it is of', async () => {
      const lost = path.join(source, 'one');
      const before = readFileSync(lost);
      rmSync(lost);
      const asked = ['restore', byHost.theirs, '--include', lost, '--to-original'];
      assert.match((await hosts.run('a', ...asked, '--dry-run')).stdout, /to b:\/ /);
      await hosts.ask('a', ...asked, '--yes');
      assert.deepEqual(readFileSync(lost), before);
      const sql = `select target_host from retrievals order by id desc limit 1`;
      assert.deepEqual(await hosts.postgres.query(sql, hosts.catalog), [{ target_host: 'b' }]);
    });
    await t.test(
      'an incremental set builds on the newest one of its own host',
      { skip: longTest },
      async () => {
        const next = await hosts.ask<{ setId: string }>(
          'b',
          'backup',
          source,
          '--drive',
          'vault',
          '--mode',
          'incremental',
        );
        const { base } = await hosts.ask<{ base: string }>('b', 'status', next.setId);
        assert.equal(base, byHost.theirs, 'it builds on the set of its own host');
      },
    );

    await t.test(
      'what is asked of the wrong host is refused with a sentence',
      { skip: longTest },
      async () => {
        const refused = async (host: string, args: string[], text: RegExp) => {
          const { code, stderr } = await hosts.run(host, ...args);
          assert.notEqual(code, 0);
          assert.match(stderr, text);
        };
        await refused('a', ['backup', 'c:/x', '--drive', 'vault'], /no host c; the others are: b/);
        await refused('a', ['backup', source, `b:${source}`, '--drive', 'vault'], /on several hosts: a, b/);
        await refused(
          'a',
          ['backup', source, '--drive', 'vault', '--direct'],
          /on host a and the drive vault is on host b/,
        );
        await refused('a', ['tape', 'status', '--drive', 'vault'], /vault .* is on host b/);
        await refused('a', ['worker', 'tape', '--drive', 'vault'], /There is no drive vault/);
        const twice = { ...hosts.of('b'), TAPEFLOW_HOST: 'c', TAPEFLOW_DATA_DIR: hosts.folder('data-c') };
        mkdirSync(hosts.folder('data-c'));
        copyFileSync(keyFile(hosts.data('a')), keyFile(hosts.folder('data-c')));
        const second = await hosts.server.installation.run(['worker', 'tape', '--drive', 'vault'], {
          ...twice,
          TAPEFLOW_LOCK_DIR: hosts.folder('locks-c'),
        });
        assert.match(second.stdout + second.stderr, /drive vault is on host b/);
      },
    );

    await t.test('a schedule makes its sets where its sources are', { skip: longTest }, async () => {
      const command = ['--', 'backup', `b:${source}`, '--drive', 'vault'];
      const added = await hosts.run('a', 'schedule', 'add', 'nightly', '--cron', '30 2 * * *', ...command);
      assert.equal(added.code, 0, added.stderr);
      assert.equal((await hosts.run('a', 'schedule', 'run', 'nightly')).code, 0);
      await waitFor(async () => {
        const made = `select host from sets where made_by is not null and state = 'completed'`;
        const [set] = await hosts.postgres.query<{ host: string }>(made, hosts.catalog);
        return set?.host === 'b';
      }, 'the set of the schedule');
    });

    await t.test('doctor finds nothing wrong with the hosts', { skip: longTest }, async () => {
      const unsettled = `select 1 from meta where key like 'staging_look:%' and value not like '%"unseen":[]%'`;
      const settled = async () => (await hosts.postgres.query(unsettled, hosts.catalog)).length === 0;
      await waitFor(settled, 'each host to see what the other wrote');
      const { stdout } = await hosts.run('a', 'doctor', '--json');
      const { checks } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
        checks: { what: string; level: string; finding: string }[];
      };
      const about = checks.filter(({ what }) => /host|queue/.test(what));
      assert.deepEqual(
        about.filter(({ level }) => level !== 'ok'),
        [],
      );
      assert.ok(about.some(({ finding }) => finding.includes('archive worker, tape worker vault')));
      assert.ok(about.some(({ what }) => what === 'staging of host b'));
    });

    await t.test(
      'a host that is away: its set waits and says so, that of the other goes on',
      { skip: longTest },
      async () => {
        await archiveB.stop();
        const asked = await hosts.run(
          'a',
          'backup',
          `b:${source}`,
          '--drive',
          'vault',
          '--new',
          '--detach',
          '--json',
        );
        assert.match(asked.stderr, /No archive worker of host b was heard of lately/);
        const waiting = JSON.parse(asked.stdout.trim().split('\n').at(-1) ?? '') as { setId: string };
        assert.equal((await hosts.run('a', 'backup', source, '--drive', 'vault', '--new')).code, 0);
        const { stdout } = await hosts.run('a', 'status', waiting.setId);
        assert.match(stdout, /waits: +for host b, which has its sources/);
        await hosts.worker('b', 'archive');
        await waitFor(
          async () =>
            (await hosts.ask<{ status: string }>('a', 'status', waiting.setId)).status === 'completed',
          'the set to go on when its host is back',
        );
      },
    );

    await t.test(
      'a restore on the drive’s host has the tree of the host that is named',
      { skip: longTest },
      async () => {
        writeTree(source, { three: 'a third one' });
        await hosts.ask('b', 'backup', `a:${source}`, '--drive', 'vault');
        rmSync(path.join(source, 'three'));
        const target = hosts.folder('target');
        await hosts.ask('b', 'restore', 'latest', '--path', source, '--target', target);
        assertSameTree(source, path.join(target, source));
        await hosts.ask(
          'b',
          'restore',
          'latest',
          '--path',
          `a:${path.join(source, 'three')}`,
          '--target',
          target,
        );
      },
    );
  },
);

test(
  'workers of a data folder and of its copy notice each other, and doctor names both',
  { skip: noPostgres || longTest },
  async (t) => {
    const hosts = await TwoHosts.make(t);
    const first = await hosts.worker('a', 'archive');
    const copy = hosts.folder('copy');
    cpSync(hosts.data('a'), copy, { recursive: true });
    const second = await hosts.workerWith({ TAPEFLOW_DATA_DIR: copy }, 'a', 'archive');
    for (const worker of [first, second])
      await waitFor(() => worker.output().includes('in two places at once'), 'the worker to notice');
    const { stdout } = await hosts.run('a', 'doctor');
    assert.match(
      stdout,
      /TROUBLE +host a: its workers are at work in two places at once, .*one of the data folders is/,
    );
    assert.ok(stdout.includes(copy) && stdout.includes(hosts.data('a')), stdout);
  },
);
