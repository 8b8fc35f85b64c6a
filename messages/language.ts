/** The languages that tapeflow speaks, as BCP 47 has them. */
export const languageTags = ['en', 'zh-CN'] as const;

export type LanguageTag = (typeof languageTags)[number];

/** What tells the language of a user's messages, the strongest first (POSIX, “Internationalization Variables”). */
const localeVariables = ['LC_ALL', 'LC_MESSAGES', 'LANG'] as const;

/**
 * The language of a locale such as `zh_CN.UTF-8`. English for every one that tapeflow does not speak, so also for
 * traditional Chinese, which is another written language.
 */
export function languageOfLocale(locale: string): LanguageTag {
  const parts = (locale.split(/[.@]/, 1)[0] ?? '').toLowerCase().split(/[_-]/);
  const isTraditional = parts.some((part) => ['hant', 'tw', 'hk', 'mo'].includes(part));
  return parts[0] === 'zh' && (!isTraditional || parts.includes('hans')) ? 'zh-CN' : 'en';
}

/** The language of the environment's locale; that of the system where, as on Windows, no variable tells one. */
export function languageOfEnvironment(env: NodeJS.ProcessEnv, platform = process.platform): LanguageTag {
  const named = localeVariables.map((name) => env[name]).find((value) => value !== undefined && value !== '');
  if (named !== undefined) return languageOfLocale(named);
  return platform === 'win32' ? languageOfLocale(Intl.DateTimeFormat().resolvedOptions().locale) : 'en';
}
