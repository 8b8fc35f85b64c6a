import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Command } from 'commander';
import { commandTree } from '../../client/command-tree.js';
import { manualPage } from '../../client/print/manual-page.js';
import { wholeProgram } from '../../client/program.js';
import { speak } from '../../config/language.js';

after(() => speak('en'));

const hasChinese = (line: string) => /\p{Script=Han}/u.test(line);

/** What comes behind the term of a line of help. */
const described = (line: string) => /^ {2}\S.*? {2,}(\S.*)$/.exec(line)?.[1];

function* allHelp(command: Command): Generator<[name: string, help: string]> {
  yield [command.name(), command.helpInformation()];
  for (const child of command.createHelp().visibleCommands(command)) yield* allHelp(child);
}

test('the help of every command is in Chinese, and no line is wider than it is told to be', async () => {
  await speak('zh-CN');
  const { default: stringWidth } = await import('string-width');
  const program = await wholeProgram();
  for (const [name, help] of allHelp(program))
    for (const line of help.split('\n')) {
      const text = described(line);
      // What a shell is called is the same in every language.
      if (text !== undefined && !text.startsWith('bash')) assert.ok(hasChinese(text), `${name}: ${line}`);
      if (!line.startsWith('用法：')) assert.ok(stringWidth(line) <= 80, `${name}: ${line}`);
    }
  assert.match(program.helpInformation(), /^用法： tapeflow \[options\]/);
});

test('the manual page is in Chinese, and its requests are as before', async () => {
  await speak('en');
  const english = manualPage(commandTree(await wholeProgram()), '1.0.0');
  await speak('zh-CN');
  const chinese = manualPage(commandTree(await wholeProgram()), '1.0.0');
  assert.match(chinese, /\\\[u9000\]\\\[u51FA\]|\\\[u6210\]\\\[u529F\]/);
  const requests = (page: string) => page.split('\n').filter((line) => /^\.(TH|SH|SS|TP|B)\b/.test(line));
  assert.deepEqual(requests(chinese), requests(english));
});

test('the English help is told as commander has it, but for lists that begin empty', async () => {
  await speak('en');
  const backup = (await wholeProgram()).commands.find((command) => command.name() === 'backup');
  const help = backup?.helpInformation() ?? '';
  assert.match(
    help,
    /^Usage: tapeflow backup \[options\] \[path\.\.\.\]\n\nback up files and folders to tape\n/,
  );
  assert.doesNotMatch(help, /default: \[\]/);
});
