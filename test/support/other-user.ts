import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { projectDir } from '../../config/project-dir.js';
import { readHostFile } from '../../embedded/host-file.js';
import { keyFile } from '../../proof/key-file.js';
import { Installation } from './installation.js';
import { archivesOn, noise, writeTree } from './trees.js';

/** The user `nobody`: has nothing, and is in no group. */
export const nobody = 65_534;

/** The group of `TAPEFLOW_SHARED_GROUP`, in which nobody is but for the case that is about it. */
const sharedGroup = 65_533;

/** Files of the source, by name. */
const files = 200;

/**
 * An installation of root with a set on its tape and its host at work, beside which another user of the machine tries
 * things.
 */
export class OtherUser {
  private constructor(
    readonly installation: Installation,
    readonly source: string,
    readonly setId: string,
    /** A folder of the other user's own. */
    readonly theirs: string,
  ) {}

  static async open(t: Pick<TestContext, 'after'>): Promise<OtherUser> {
    const env = { TAPEFLOW_SHARED_GROUP: String(sharedGroup), LOOK_AFTER_SECONDS: '1' };
    const installation = await Installation.make(t, env);
    // What keeps others out is the product's own folders, and not the one above them.
    chmodSync(installation.root, 0o755);
    const source = path.join(installation.root, 'source');
    writeTree(
      source,
      Object.fromEntries(Array.from({ length: files }, (_, i) => [`d${i % 10}/f${i}`, noise(3000, `${i}`)])),
    );
    for (const folder of [source, ...readdirSync(source).map((name) => path.join(source, name))])
      chmodSync(folder, 0o755);
    const { setId } = await installation.json<{ setId: string }>(['backup', source]);
    await installation.run(['backup', source, '--mode', 'incremental', '--detach']);
    const theirs = mkdtempSync(path.join(os.tmpdir(), 'tapeflow-theirs-'));
    chownSync(theirs, nobody, nobody);
    chmodSync(theirs, 0o755);
    t.after(() => rmSync(theirs, { recursive: true, force: true }));
    return new OtherUser(installation, source, setId, theirs);
  }

  /** Runs a program as the other user. */
  start(program: string, args: readonly string[]): ChildProcess {
    return spawn(program, args, { uid: nobody, gid: nobody, cwd: '/', stdio: ['ignore', 'pipe', 'ignore'] });
  }

  /** What a program of the other user prints, whom the shared group has as a member. */
  asMember(program: string, args: readonly string[]): string {
    const ids = [`--reuid=${nobody}`, `--regid=${nobody}`, `--groups=${sharedGroup}`];
    const env = { ...process.env, ...this.installation.env, HOME: this.installation.root };
    return spawnSync('setpriv', [...ids, program, ...args], { encoding: 'utf8', cwd: '/', env }).stdout;
  }

  /** True when a shell command of the other user succeeds. */
  async can(script: string, ...args: string[]): Promise<boolean> {
    const [code] = (await once(this.start('sh', ['-c', script, 'sh', ...args]), 'exit')) as [number | null];
    return code === 0;
  }
}

/** What another user tries, and what came of it: sentences on what is not as it must be. */
export interface UserCase {
  name: string;
  run(user: OtherUser): Promise<string[]>;
}

/** Names, kinds, owners and modes of all that is in a folder. */
function inventory(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const { mode, uid, size } = lstatSync(path.join(folder, name));
      return `${name} ${mode.toString(8)} ${uid} ${size}`;
    })
    .join('\n');
}

const reading: UserCase = {
  name: 'reads catalog, logs, token, staging, tape and locks',
  async run(user) {
    const { installation, setId } = user;
    const { dataDir, stagingDir, tapeDir, root } = installation;
    const [archive = ''] = archivesOn(tapeDir, setId);
    const wanted = [
      ...[dataDir, stagingDir, tapeDir, path.join(root, 'locks')],
      ...['catalog.db', 'host.json', 'logs'].map((name) => path.join(dataDir, name)),
      ...[keyFile(dataDir), archive],
    ];
    const got: string[] = [];
    for (const at of wanted)
      if (await user.can('ls "$1"/* >/dev/null 2>&1 || cat "$1" >/dev/null 2>&1', at)) got.push(at);
    return got.map((at) => `${at} was read`);
  },
};

const member: UserCase = {
  name: 'is in the shared group: reads catalog, logs and tape, and nothing else, and writes nothing',
  async run(user) {
    const { installation, setId } = user;
    const { dataDir, stagingDir, tapeDir } = installation;
    const [archive = ''] = archivesOn(tapeDir, setId);
    const wrong: string[] = [];
    const sets = user.asMember(process.execPath, [path.join(projectDir, 'bin', 'tapeflow.cjs'), 'sets']);
    if (!sets.includes(setId)) wrong.push('the sets cannot be listed');
    if (!/d0\/f0/.test(user.asMember('tar', ['-tzf', archive]))) wrong.push('the archive cannot be read');
    const found = (folder: string, test: string) =>
      user
        .asMember('find', [folder, '-mindepth', '1', test])
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => path.relative(folder, line));
    const allowed = /^(catalog\.db(-wal|-shm|-newest\.json)?|this-host\.json|logs(\/.*)?|tape(\/.*)?)$/;
    for (const name of found(dataDir, '-readable')) if (!allowed.test(name)) wrong.push(`${name} was read`);
    for (const folder of [dataDir, stagingDir])
      for (const name of [...found(folder, '-writable')]) wrong.push(`${name} can be written`);
    for (const name of found(stagingDir, '-readable')) wrong.push(`${name} of staging was read`);
    if (user.asMember('cat', [keyFile(dataDir)]) !== '') wrong.push('the key was read');
    return wrong;
  },
};

const writing: UserCase = {
  name: 'writes, replaces, links and removes there',
  async run(user) {
    const { dataDir, stagingDir, tapeDir, root } = user.installation;
    const scripts = [
      'touch "$1"/new',
      'ln -s /etc/passwd "$1"/link',
      'mv "$1" "$1".away',
      'rm -rf "$1"',
      'for f in "$1"/*; do rm "$f" || exit 1; done',
      'ln "$1"/catalog.db "$2"/mine',
      'chmod 777 "$1"',
    ];
    const wrong: string[] = [];
    const tape = inventory(tapeDir);
    for (const folder of [dataDir, stagingDir, tapeDir, path.join(root, 'locks')])
      for (const script of scripts)
        if (await user.can(script, folder, user.theirs)) wrong.push(`${script} was done in ${folder}`);
    if (inventory(tapeDir) !== tape) wrong.push('the tape has changed');
    return wrong;
  },
};

const socket: UserCase = {
  name: 'speaks to the control socket without its token',
  async run(user) {
    const host = readHostFile(user.installation.dataDir);
    if (host === undefined) return ['no host runs'];
    const talk = `require('net').connect(${host.controlPort}, '127.0.0.1', function () { this.end('guess down\\n') })
      .on('data', (text) => process.stdout.write(text)).on('error', () => {})`;
    const child = user.start(process.execPath, ['-e', talk]);
    let said = '';
    child.stdout?.on('data', (text: Buffer) => (said += text.toString()));
    await once(child, 'close');
    const after = readHostFile(user.installation.dataDir);
    const wrong = after?.pid === host.pid && existsSync(`/proc/${host.pid}`) ? [] : ['the host has ended'];
    return /token|ok/.test(said) ? [...wrong, `it answered ${said}`] : wrong;
  },
};

const locks: UserCase = {
  name: 'puts a folder with links in the place of the lock folder',
  async run(user) {
    const { installation, theirs } = user;
    const secret = path.join(installation.root, 'secret');
    writeFileSync(secret, 'secret', { mode: 0o600 });
    const planted = path.join(theirs, 'locks');
    const made = await user.can('mkdir "$1" && ln -s "$2" "$1"/x.lock.holder.json', planted, secret);
    if (!made) return ['nothing could be planted'];
    const data = path.join(installation.root, 'data-2');
    const { code, stderr } = await installation.run(['tape', 'label', 'X1'], {
      ...{ TAPEFLOW_LOCK_DIR: planted, TAPEFLOW_DATA_DIR: data, TAPE_PATH: installation.tapeDir },
    });
    const wrong = readFileSync(secret, 'utf8') === 'secret' ? [] : ['the secret was written'];
    if ((statSync(secret).mode & 0o777) !== 0o600) wrong.push('the secret has another mode');
    return code !== 0 && stderr.includes(planted) ? wrong : [...wrong, `it was not refused: ${stderr}`];
  },
};

/** Puts links to a folder in the places of folders of a target, for ever. */
const race = `
const fs = require('fs');
const [victim, ...places] = process.argv.slice(1);
for (;;) for (const at of places) {
  try { fs.renameSync(at, at + '.away' + Math.random()); fs.symlinkSync(victim, at); } catch {}
  try { if (fs.lstatSync(at).isSymbolicLink()) fs.unlinkSync(at); } catch {}
}`;

const target: UserCase = {
  name: 'plants links in a folder of theirs while it is restored into',
  async run(user) {
    const { installation, source, setId, theirs } = user;
    const victim = path.join(installation.root, 'victim');
    mkdirSync(victim, { mode: 0o700 });
    const wrong: string[] = [];
    for (const round of [1, 2]) {
      const into = path.join(theirs, `target-${round}`);
      const top = path.join(into, source);
      if (!(await user.can('mkdir -p "$1"/d1', top))) return ['no target could be made'];
      const places = [into, ...[1, 2, 3, 4].map((n) => path.join(top, `d${n}`))];
      const racer = user.start(process.execPath, [
        '-e',
        race,
        victim,
        ...(round === 1 ? places.slice(1) : places),
      ]);
      await installation.run(['restore', setId, '--target', into, '--overwrite', 'always']);
      racer.kill('SIGKILL');
      await once(racer, 'close');
      if (readdirSync(victim).length > 0) wrong.push('something was restored through a link');
      if ((statSync(victim).mode & 0o7777) !== 0o700)
        wrong.push('the folder behind the link has another mode');
    }
    return wrong;
  },
};

const privateFolder: UserCase = {
  name: 'has a private folder in the target, and a link in the place of another one',
  async run(user) {
    const { installation, source, setId, theirs } = user;
    const into = path.join(theirs, 'private');
    const top = path.join(into, source);
    const away = path.join(theirs, 'away');
    if (!(await user.can('mkdir -p "$1"/d0 "$2" && chmod 700 "$1"/d0 && ln -s "$2" "$1"/d1', top, away)))
      return ['no target could be made'];
    await installation.run(['restore', setId, '--target', into]);
    const { mode, uid } = statSync(path.join(top, 'd0'));
    const wrong = (mode & 0o777) === 0o700 && uid === nobody ? [] : ['the private folder has changed'];
    if (readdirSync(away).length > 0) wrong.push('something was restored through a link');
    if (readdirSync(path.join(top, 'd2')).length === 0) wrong.push('the rest was not restored');
    return wrong;
  },
};

const drive: UserCase = {
  name: 'holds the lock of a drive that they can only read',
  async run(user) {
    const { installation, source } = user;
    const { tapeDir, dataDir } = installation;
    const modes = [dataDir, tapeDir].map((folder) => statSync(folder).mode & 0o7777);
    chmodSync(dataDir, 0o711);
    chmodSync(tapeDir, 0o755);
    const holder = user.start('flock', ['-F', '-x', tapeDir, 'sh', '-c', 'echo held; exec sleep 600']);
    await once(holder.stdout ?? holder, 'data');
    symlinkSync('/etc/passwd', path.join(source, 'new-link'));
    const { status } = await installation.json<{ status: string }>(['backup', source]);
    holder.kill('SIGKILL');
    for (const [index, folder] of [dataDir, tapeDir].entries()) chmodSync(folder, modes[index] ?? 0o700);
    return status === 'completed' ? [] : [`the backup is ${status}`];
  },
};

/** What other users try at folders, locks, targets and the control socket. */
export const localCases: readonly UserCase[] = [
  ...[reading, member, writing, socket, locks, privateFolder, target, drive],
];
