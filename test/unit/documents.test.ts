import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { commandTree, type CommandEntry } from '../../client/command-tree.js';
import { wholeProgram } from '../../client/program.js';
import { projectDir } from '../../config/project-dir.js';
import { notifyEvents } from '../../config/settings/channels.js';
import { configFileSchema } from '../../config/settings/config-file.js';
import { settingsSchema } from '../../config/settings/settings-schema.js';

/** What those read who run tapeflow. */
const pages = [
  ...['README.md', 'README.zh-CN.md'],
  ...['install', 'operations', 'recovery', 'deployment', 'format'].map((name) => `docs/${name}.md`),
];

const textOf = (page: string) => readFileSync(path.join(projectDir, page), 'utf8');
const blockOfCode = /^```.*\n([^]*?)^```$/gm;

/** A section of a page, with its heading. */
function section(page: string, heading: string): string {
  const [, found] = new RegExp(`^(#+ ${heading}\n[^]*?)(?:^## |$(?![^]))`, 'm').exec(textOf(page)) ?? [];
  assert.ok(found !== undefined, `${page} has the section ${heading}`);
  return found;
}

/** The cells of a table's lines, without its head. */
function rows(text: string): string[][] {
  const lines = [...text.matchAll(/^\| (.*) \|$/gm)].map(([, line = '']) => line.split(/(?<!\\) \| /));
  return lines.filter(([first = '']) => first !== '' && !first.startsWith('-'));
}

/** The names between backquotes in a text. */
const quoted = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);

/** Commands in a page, each as its words: of its blocks of code line by line, and those between backquotes. */
function commandsIn(page: string): string[] {
  const text = textOf(page);
  const blocks = [...text.matchAll(blockOfCode)].flatMap(([, code = '']) => code.split('\n'));
  const spans = quoted(text.replaceAll(blockOfCode, '').replaceAll(/(?<=\S)\n(?=\S)/g, ' '));
  const start = /(?:^|[ =$|'])(?:tapeflow|npm run (?:-s )?tapeflow --|node \S*tapeflow\.cjs) ([a-z].*)$/;
  const backup = /^npm run (backup) -- (.*)$/;
  return [...blocks, ...spans].flatMap((line) => {
    const [, words] = start.exec(line.replace(/(?:^|\s)# .*$/, '')) ?? [];
    const [, name, rest] = backup.exec(line) ?? [];
    return words !== undefined ? [words] : name === undefined ? [] : [`${name} ${rest}`];
  });
}

const tree = commandTree(await wholeProgram());

/** The command that words begin with; for `a|b`, each of them. */
function namedBy(words: string[], from: CommandEntry = tree): CommandEntry[] {
  const [first = '', ...rest] = words;
  const found = from.commands.filter(({ name }) => first.split('|').includes(name));
  return found.flatMap((command) => (command.commands.length > 0 ? namedBy(rest, command) : [command]));
}

const optionsIn = (text: string) => [...text.matchAll(/(?<![\w-])--[a-z][a-z0-9-]*/g)].map(([name]) => name);
const optionsOf = (command: CommandEntry) => command.options.flatMap(({ names }) => names);

test('each command line in the documents is one of a command that there is, with options that it has', () => {
  let seen = 0;
  for (const page of pages)
    for (const line of commandsIn(page))
      for (const part of line.split(/ -- | \| |; /)) {
        const commands = namedBy(part.split(/\s+/));
        if (commands.length === 0) {
          const isGroup = tree.commands.some(({ name }) => name === part.trim());
          assert.ok(isGroup || part !== line.split(' -- ')[0], `${page}: ${line}`);
          continue;
        }
        seen += 1;
        for (const option of optionsIn(part))
          for (const command of commands)
            assert.ok(optionsOf(command).includes(option), `${page}: ${option} in ${line}`);
      }
  assert.ok(seen > 150, String(seen));
});

test('the tables of commands in both README files have every command, and no option that there is not', () => {
  const all = tree.commands.filter(({ name }) => name !== 'help');
  for (const [page, heading] of [
    ['README.md', 'Commands'],
    ['README.zh-CN.md', '命令'],
  ] as const) {
    const table = rows(section(page, heading));
    const told = table.flatMap(([first = '']) => quoted(first.replaceAll('\\|', '|')));
    for (const command of all)
      for (const below of command.commands.length > 0 ? command.commands : [command]) {
        if (below.name === 'help') continue;
        const words = below === command ? [below.name] : [command.name, below.name];
        const isTold = (line: string) => namedBy(line.split(/\s+/)).includes(below);
        assert.ok(told.some(isTold), `${page} has ${words.join(' ')}`);
      }
    for (const line of table) {
      const commands = quoted(line[0]!.replaceAll('\\|', '|')).flatMap((span) => namedBy(span.split(/\s+/)));
      const known = new Set([...commands, ...all].flatMap(optionsOf));
      for (const option of optionsIn(line.join(' '))) assert.ok(known.has(option), `${page}: ${option}`);
    }
  }
});

test('docs/operations.md has a line for each setting, and tells of none that there is not', () => {
  const told = rows(section('docs/operations.md', 'Settings')).flatMap(([first = '']) => quoted(first));
  assert.deepEqual(told.sort(), Object.keys(settingsSchema.shape).sort());
});

test('each default in that table is the one of the schema', () => {
  const defaults = settingsSchema.partial().safeParse({}).success && settingsSchema.parse({});
  let seen = 0;
  for (const [names = '', values = ''] of rows(section('docs/operations.md', 'Settings'))) {
    const told = values.replaceAll('`', '').split(/, | \(/);
    for (const [index, name] of quoted(names).entries()) {
      const value = (told[index] ?? told[0] ?? '').replace(/;.*$/, '');
      const wanted: unknown = defaults && defaults[name as keyof typeof defaults];
      if (typeof wanted === 'boolean') assert.equal(value, String(wanted), name);
      else if (typeof wanted === 'number' && /^\d+$/.test(value)) assert.equal(Number(value), wanted, name);
      else continue;
      seen += 1;
    }
  }
  assert.ok(seen > 12, String(seen));
});

/** Variables that are not settings: of the system, of Temporal's own tools, and of the examples. */
const variables = new RegExp(
  [
    ...['LC_ALL', 'LC_MESSAGES', 'XDG_DATA_HOME', 'CAP_SYS_ADMIN', 'MM_NNNNNN', 'DINGTALK_SECRET'],
    ...['HEALTHCHECK_URL', 'NTFY_TOPIC', '(POSTGRES|CATALOG)_PASSWORD', 'TAPEFLOW_(CONFIG|HOOK\\w*)'],
    ...['TEMPORAL_(TLS\\w*|API_KEY|CONFIG_FILE)'],
  ]
    .map((name) => `^${name}$`)
    .join('|'),
);

test('the documents name no setting that there is not', () => {
  for (const page of pages)
    for (const [name] of textOf(page).matchAll(/\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b/g))
      assert.ok(name in settingsSchema.shape || variables.test(name), `${page}: ${name}`);
});

test('docs/operations.md has a line for each event and each kind of channel', () => {
  const events = rows(section('docs/operations.md', "The operator's day").split('### When')[1]!);
  const told = events.flatMap(([first = '']) => quoted(first));
  assert.deepEqual(told.sort(), [...notifyEvents].sort());
  const channel = configFileSchema.shape.notify.unwrap().element;
  const kinds = channel.options.map(({ shape }) => shape.kind.value);
  const lines = rows(section('docs/operations.md', 'Being told'));
  assert.deepEqual(lines.flatMap(([first = '']) => quoted(first)).sort(), [...kinds].sort());
  for (const { shape } of channel.options) {
    const [, needs = '', more = ''] = lines.find(([first]) => first!.includes(`\`${shape.kind.value}\``))!;
    for (const key of Object.keys(shape).filter((key) => !['name', 'kind', 'events'].includes(key)))
      assert.ok(`${needs} ${more}`.includes(key), `${shape.kind.value}: ${key}`);
  }
});

/** What headings are called in links. */
const anchorsOf = (page: string) =>
  [
    ...textOf(page)
      .replaceAll(blockOfCode, '')
      .matchAll(/^#+ (.*)$/gm),
  ].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

test('each link of the documents leads to a file and a heading that there is', () => {
  for (const page of [...pages, 'docs/performance.md', 'docs/architecture.md'])
    for (const [, to = ''] of textOf(page).matchAll(/\]\(([^)]+)\)/g)) {
      if (/^[a-z]+:/.test(to)) continue;
      const [file = '', anchor] = to.split('#');
      const target = file === '' ? page : path.join(path.dirname(page), file);
      assert.ok(existsSync(path.join(projectDir, target)), `${page}: ${to}`);
      if (anchor !== undefined) assert.ok(anchorsOf(target).includes(anchor), `${page}: ${to}`);
    }
});

test('the Chinese README has the sections, commands, links and names of the English one', () => {
  const sections = (page: string) => textOf(page).split(/^## /m);
  const english = sections('README.md');
  const chinese = sections('README.zh-CN.md');
  assert.equal(chinese.length, english.length);
  const names = (text: string) =>
    [...new Set(quoted(text.replaceAll(blockOfCode, '')).flatMap((span) => span.split(/[\s|\\]+/)))]
      // Not the words that stand for arguments.
      .filter((name) => /^[!-~]+$/.test(name) && !/^\[?[A-Z]+\]?$|^HOST:|=TO$/.test(name))
      .sort();
  const commands = (text: string) =>
    [...text.matchAll(blockOfCode)].flatMap(([, code = '']) =>
      code.split('\n').flatMap((line) => /^(?:npm|export|mkdir|for) [^#]*/.exec(line)?.[0].trim() ?? []),
    );
  const links = (text: string) => [...text.matchAll(/\]\((?!README)([^)]+)\)/g)].map(([, to]) => to).sort();
  for (const [no, text] of english.entries()) {
    const other = chinese[no]!;
    const [heading = ''] = text.split('\n');
    assert.deepEqual(names(other), names(text), heading);
    assert.deepEqual(commands(other), commands(text), heading);
    assert.deepEqual(links(other), links(text), heading);
    assert.equal(rows(other).length, rows(text).length, heading);
  }
});
