import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { after, test } from 'node:test';
import { projectDir } from '../../config/project-dir.js';
import { languageOfEnvironment, languageOfLocale } from '../../messages/language.js';
import { english } from '../../messages/sentence.js';
import { shown, showWith, t } from '../../messages/shown.js';
import { Translator } from '../../messages/translator.js';
import { cleanEnv } from '../support/installation.js';

const translator = new Translator('zh-CN', {
  'No tape is loaded.': '没有装入磁带。',
  'Load a tape of pool {0}.': '请装入磁带池 {0} 的磁带。',
  'Set {0} waits: {1}': '备份集 {0} 正在等待：{1, sentence}',
  '{0} cannot be read: {1}': '无法读取 {0}：{1, sentence}',
  '{0} of {1}': '{1} 中的 {0}',
  '{0} files': '{0} 个文件',
  failed: '失败',
});

after(() => showWith(undefined));

test('a sentence is told in the language of the reader, and in English without one', () => {
  showWith(undefined);
  assert.equal(t`Set ${'A'} waits: ${english`No tape is loaded.`}`, 'Set A waits: No tape is loaded.');
  showWith(translator);
  assert.equal(t`Set ${'A'} waits: ${english`No tape is loaded.`}`, '备份集 A 正在等待：没有装入磁带。');
  assert.equal(english`Load a tape of pool ${'p'}.`, 'Load a tape of pool p.');
  assert.equal(t`nobody knows ${'this'}`, 'nobody knows this');
  assert.equal(
    english`one line
      and the next`,
    'one line and the next',
  );
});

test('what was stored in English is known again: whole, without its point, with advice, and within another', () => {
  showWith(translator);
  assert.equal(shown('No tape is loaded.'), '没有装入磁带。');
  assert.equal(shown('No tape is loaded'), '没有装入磁带');
  assert.equal(shown('No tape is loaded. Load a tape of pool p.'), '没有装入磁带。请装入磁带池 p 的磁带。');
  assert.equal(
    shown('Set A waits: No tape is loaded. Load a tape of pool p.'),
    '备份集 A 正在等待：没有装入磁带。请装入磁带池 p 的磁带。',
  );
  assert.equal(shown('3 files'), '3 个文件');
  assert.equal(shown('back up files'), 'back up files');
  assert.equal(shown('nobody has said this. Nor this: at all'), 'nobody has said this. Nor this: at all');
});

test('a name stays as it is, whatever it is called', () => {
  showWith(translator);
  for (const name of ['$t(failed)', '{0}', '{1, sentence}', '$&', 'failed', '{{name}}', 'a\nb']) {
    assert.equal(t`Load a tape of pool ${name}.`, `请装入磁带池 ${name} 的磁带。`);
    assert.equal(shown(english`Load a tape of pool ${name}.`), `请装入磁带池 ${name} 的磁带。`);
  }
});

test('a long text of another program is read at once, and stays as it is', () => {
  showWith(translator);
  const text = 'of cannot be read: waits: '.repeat(4000);
  assert.equal(shown(text), text);
});

test('the language is that of the locale, as POSIX ranks its variables', () => {
  const chinese = ['zh_CN.UTF-8', 'zh', 'zh-Hans', 'zh_SG', 'zh_Hans_TW', 'zh_CN@pinyin'];
  assert.deepEqual(
    chinese.map(languageOfLocale),
    chinese.map(() => 'zh-CN'),
  );
  const others = ['zh_TW.UTF-8', 'zh_HK', 'zh-Hant', 'C', 'POSIX', 'en_US.UTF-8', 'zha_CN', ''];
  assert.deepEqual(
    others.map(languageOfLocale),
    others.map(() => 'en'),
  );
  const of = (env: NodeJS.ProcessEnv) => languageOfEnvironment(env, 'linux');
  assert.equal(of({ LANG: 'zh_CN.UTF-8' }), 'zh-CN');
  assert.equal(of({ LANG: 'zh_CN.UTF-8', LC_MESSAGES: 'en_US.UTF-8' }), 'en');
  assert.equal(of({ LANG: 'C', LC_MESSAGES: 'C', LC_ALL: 'zh_CN.UTF-8' }), 'zh-CN');
  assert.equal(of({ LANG: 'zh_CN.UTF-8', LC_ALL: '' }), 'zh-CN');
  assert.equal(of({}), 'en');
});

test('a language that tapeflow does not speak is refused in one sentence', () => {
  const program = path.join(projectDir, 'bin', 'tapeflow.cjs');
  const run = (env: Record<string, string>) =>
    spawnSync(process.execPath, [program, 'sets'], { encoding: 'utf8', env: { ...cleanEnv(), ...env } });
  const refused = run({ LANGUAGE_TAG: 'fr' });
  assert.equal(refused.status, 2);
  assert.match(refused.stderr, /^tapeflow: .*LANGUAGE_TAG.* must be en or zh-CN.*\n$/);
  // The setting says nothing, and so the locale says in which language it is refused.
  assert.match(run({ LANGUAGE_TAG: 'fr', LANG: 'zh_CN.UTF-8' }).stderr, /LANGUAGE_TAG.*\p{Script=Han}/u);
});
