import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import { shownUsageError } from '../../client/usage-error.js';
import { speak } from '../../config/language.js';

/** What commander itself says of wrong arguments. */
function errorOf(args: readonly string[]): string {
  let said = '';
  const program = new Command('program').exitOverride().configureOutput({
    outputError: (text) => (said += text.replace(/^error: /, '')),
    writeErr: () => undefined,
  });
  const backup = program.command('backup <path>').option('--hook <name>').option('--hoop');
  backup.action(() => undefined);
  program.command('restore').requiredOption('--pool <pool>');
  for (const command of program.commands) command.copyInheritedSettings(program);
  assert.throws(() => program.parse(args, { from: 'user' }));
  return said;
}

test('what commander says of a wrong use is known by its words', async () => {
  const expected: [string[], string][] = [
    [['backup', '--hoo'], "未知选项 '--hoo'\n（是否指 --hook, --hoop 之一？）\n"],
    [['backup', '--zzz'], "未知选项 '--zzz'\n"],
    [['bakup'], "未知命令 'bakup'\n（是否指 backup？）\n"],
    [['backup'], "缺少必需的参数 'path'\n"],
    [['backup', '--hook'], "选项 '--hook <name>' 缺少参数\n"],
    [['backup', 'a', 'b'], "'backup' 的参数过多：应有 1 个，实有 2 个。\n"],
    [['restore'], "未指定必需的选项 '--pool <pool>'\n"],
  ];
  for (const [args] of expected) assert.equal(shownUsageError(errorOf(args)), errorOf(args));
  await speak('zh-CN');
  for (const [args, chinese] of expected) assert.equal(shownUsageError(errorOf(args)), chinese);
  await speak('en');
});
