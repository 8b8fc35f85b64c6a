import path from 'node:path';
import { type LanguageTag, languageOfEnvironment, languageTags } from '../messages/language.js';
import { showWith } from '../messages/shown.js';
import { projectDir } from './project-dir.js';
import { givenInFile } from './settings/read-config-file.js';

/**
 * The language that this process speaks: `LANGUAGE_TAG`, or that of the locale. It is asked for before the settings are
 * checked, whose faults are told in it: a value that is none is left to them.
 */
export function languageInForce(env: NodeJS.ProcessEnv, homeDir: string): LanguageTag {
  const given = env['LANGUAGE_TAG'] || givenInFile(env, homeDir, 'LANGUAGE_TAG');
  return languageTags.find((tag) => tag === given) ?? languageOfEnvironment(env);
}

/** Makes `t` and `shown` speak a language. English needs no catalogue, and nothing is loaded for it. */
export async function speak(tag: LanguageTag): Promise<void> {
  if (tag === 'en') return showWith(undefined);
  const { Translator, readMessages } = await import('../messages/translator.js');
  showWith(new Translator(tag, readMessages(path.join(projectDir, 'dist', 'messages', tag))));
}
