import { shown, shownLanguage, t } from '../../messages/shown.js';
import type { CommandEntry } from '../command-tree.js';
import { exitCodes } from '../exit-codes.js';

function exitTexts(): [number, string][] {
  return [
    [exitCodes.success, t`success`],
    [exitCodes.failure, t`failure`],
    [exitCodes.usage, t`wrong use of a command, or a wrong setting`],
    [exitCodes.skipped, t`completed, with files that are listed as skipped`],
    [exitCodes.interrupted, t`ended by Ctrl-C`],
  ];
}

/** The manual page of the program, in the language of man(7). */
export function manualPage(program: CommandEntry, version: string): string {
  const { name, description, options, commands } = program;
  return [
    `.TH ${quoted(name.toUpperCase())} 1 "" ${quoted(`${name} ${version}`)}`,
    // Spread over a line, Chinese has gaps where it has blanks.
    ...(shownLanguage() === 'en' ? [] : ['.ad l']),
    '.SH NAME',
    `${roff(name)} \\- ${roff(shown(description).replace(/[.。]$/, ''))}`,
    '.SH SYNOPSIS',
    `.B ${roff(name)}`,
    roff(program.usage.replace(`${name} `, '')),
    '.SH DESCRIPTION',
    text(shown(description)),
    '.SH OPTIONS',
    ...entries(options.map(({ flags, description }) => [flags, description])),
    '.SH COMMANDS',
    ...commands.flatMap((command) => commandLines(command, name)),
    '.SH EXIT STATUS',
    ...entries(exitTexts().map(([code, meaning]) => [String(code), meaning])),
    '.SH ENVIRONMENT',
    text(t`The settings; \`tapeflow doctor\` prints those in force, and docs/operations.md has them all.`),
    '',
  ].join('\n');
}

/** A command, or those below it. */
function commandLines(command: CommandEntry, parents: string): string[] {
  const name = `${parents} ${command.name}`;
  if (command.commands.length > 0) return command.commands.flatMap((child) => commandLines(child, name));
  return [
    `.SS ${quoted(command.usage)}`,
    text(sentence(command.description)),
    ...entries(command.arguments.map(({ name, description }) => [`<${name}>`, description])),
    ...entries(command.options.map(({ flags, description }) => [flags, description])),
  ];
}

/** Terms with what they mean; those without a meaning are left out. */
function entries(pairs: [term: string, meaning: string][]): string[] {
  return pairs
    .filter(([, meaning]) => meaning !== '')
    .flatMap(([term, meaning]) => ['.TP', `.B ${roff(term)}`, text(shown(meaning))]);
}

function sentence(description: string): string {
  const told = shown(description);
  return told === description ? `${told.charAt(0).toUpperCase()}${told.slice(1)}.` : `${told}。`;
}

/** A line of text: one that begins with a dot or a quote would be a request. */
function text(line: string): string {
  return roff(line).replace(/^(?=[.'])/, '\\&');
}

/** An argument of a request. */
function quoted(argument: string): string {
  return `"${roff(argument).replaceAll('"', '""')}"`;
}

/** Characters that roff would read otherwise: backslashes, hyphens that must stay minus signs, accents and quotes. */
function roff(plain: string): string {
  return plain
    .replaceAll('…', '...')
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('`', '\\(ga')
    .replaceAll("'", '\\(aq')
    .replaceAll('~', '\\(ti')
    .replaceAll('^', '\\(ha')
    .replace(
      /[^\0-\x7f]/gu,
      (char) => `\\[u${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`,
    );
}
