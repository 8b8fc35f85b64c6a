import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { projectDir } from '../../config/project-dir.js';
import { wholeProgram } from '../../client/program.js';
import { type CommandEntry, commandTree } from '../../client/command-tree.js';

// What the catalogues of messages have to know, read out of the source as the compiler sees it.

/** The folders of the program, without what only tests and measures it. */
const folders = readdirSync(projectDir, { withFileTypes: true })
  .filter(
    (entry) => entry.isDirectory() && !/^(\.|node_modules|dist|test|bench|docs|deploy)/.test(entry.name),
  )
  .map(({ name }) => name);

/** Every source file of the program, parsed. */
export function sourceFiles(): ts.SourceFile[] {
  return folders.flatMap((folder) =>
    (readdirSync(path.join(projectDir, folder), { recursive: true }) as string[])
      .filter((name) => /\.tsx?$/.test(name))
      .map((name) => {
        const file = path.join(folder, name);
        const text = readFileSync(path.join(projectDir, file), 'utf8');
        return ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
      }),
  );
}

/** The key of a template literal, as `messages/sentence.ts` makes it. */
function keyOf(template: ts.TemplateLiteral): string {
  const key = ts.isNoSubstitutionTemplateLiteral(template)
    ? template.text
    : template.head.text +
      template.templateSpans.map(({ literal }, index) => `{${index}}${literal.text}`).join('');
  return key.replace(/\s*\n\s*/g, ' ');
}

/** Calls `visit` with every node below one. */
function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  node.forEachChild((child) => walk(child, visit));
}

/** The keys in the source, each with a place where it is: those of `t` and `english`, and the nouns of counts. */
export function keysInSource(files: readonly ts.SourceFile[]): Map<string, string> {
  const keys = new Map<string, string>();
  for (const file of files)
    walk(file, (node) => {
      if (ts.isTaggedTemplateExpression(node) && isTag(node.tag))
        keys.set(keyOf(node.template), place(file, node));
      if (ts.isCallExpression(node) && nameOf(node.expression) === 'formatCount')
        for (const noun of nounsOf(node)) keys.set(`{0} ${noun}`, place(file, node));
    });
  return keys;
}

const isTag = (tag: ts.Expression) => ts.isIdentifier(tag) && ['t', 'english'].includes(tag.text);

/** The nouns that a call of `formatCount` gives: for one, and for several. */
function nounsOf({ arguments: [, one, many] }: ts.CallExpression): string[] {
  if (one === undefined || !ts.isStringLiteral(one)) return [];
  return [one.text, many !== undefined && ts.isStringLiteral(many) ? many.text : `${one.text}s`];
}

/** The descriptions of every command, option and argument, which `shown` translates as the help is printed. */
export async function keysInHelp(): Promise<Map<string, string>> {
  const keys = new Map<string, string>();
  const add = (text: string, where: string) => text !== '' && keys.set(text, where);
  const visit = (entry: CommandEntry, above: string) => {
    const where = `${above} ${entry.name}`.trim();
    add(entry.description, `help of ${where}`);
    for (const { description } of [...entry.options, ...entry.arguments])
      add(description, `help of ${where}`);
    for (const child of entry.commands) visit(child, where);
  };
  visit(commandTree(await wholeProgram()), '');
  return keys;
}

function place(file: ts.SourceFile, node: ts.Node): string {
  const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
  return `${file.fileName}:${line + 1}`;
}

/** Calls whose arguments people read, by name, with the number of the first such argument. */
const toldBy: Record<string, number> = {
  ...{ TapeflowFailure: 1, usageFailure: 1, RestoreProblem: 0, ManifestError: 0 },
  ...{ print: 0, say: 0, printNote: 0 },
};

/** Properties that people read. */
const toldProperties = new Set(['advice', 'what', 'todo', 'reason', 'finding', 'title', 'note', 'empty']);

/** Attributes of the page that people read. */
const toldAttributes = new Set(['title', 'aria-label', 'placeholder', 'alt']);

/** What people read and what no catalogue can know: sentences without `t` or `english`, each with its place. */
export function untagged(files: readonly ts.SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    const refuse = (node: ts.Node, text: string) => found.push(`${place(file, node)}: ${text.trim()}`);
    walk(file, (node) => {
      // While the module loads, nobody has said which language it is.
      if (ts.isTaggedTemplateExpression(node) && node.tag.getText(file) === 't' && !isInFunction(node))
        refuse(node, 't outside of a function');
      if (
        ts.isCallExpression(node) &&
        nameOf(node.expression) === 'formatCount' &&
        nounsOf(node).length === 0
      )
        refuse(node, 'a noun that is no literal');
      if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
        const name = nameOf(node.expression);
        const first = Object.hasOwn(toldBy, name) ? toldBy[name] : undefined;
        if (first !== undefined)
          for (const argument of node.arguments?.slice(first) ?? []) bareIn(argument, refuse);
      } else if (ts.isPropertyAssignment(node) && toldProperties.has(node.name.getText(file))) {
        // A reason of one word is a code.
        bareIn(node.initializer, (found, text) => (/\s/.test(text) ? refuse(found, text) : undefined));
      } else if (ts.isJsxText(node)) {
        if (hasWords(node.text)) refuse(node, node.text);
      } else if (ts.isJsxAttribute(node) && toldAttributes.has(node.name.getText(file))) {
        const value = node.initializer;
        if (value !== undefined)
          bareIn(ts.isJsxExpression(value) && value.expression ? value.expression : value, refuse);
      } else if (
        ts.isJsxExpression(node) &&
        node.expression !== undefined &&
        !ts.isJsxAttribute(node.parent)
      ) {
        bareIn(node.expression, refuse);
      }
    });
  }
  return found;
}

function isInFunction(node: ts.Node): boolean {
  for (let above = node.parent; !ts.isSourceFile(above); above = above.parent)
    if (ts.isFunctionLike(above)) return true;
  return false;
}

function nameOf(callee: ts.Expression): string {
  if (/^process\.std(out|err)\.write$/.test(callee.getText())) return 'print';
  if (ts.isPropertyAccessExpression(callee)) return callee.name.text;
  return ts.isIdentifier(callee) ? callee.text : '';
}

/** A word of two letters or more that is no code, no path or pattern, no unit, and not our name. */
function hasWords(text: string): boolean {
  return /[A-Za-z]{2}/.test(text.replace(/`[^`]*`|&\w+;|[/*]\S+|\b(?:tapeflow|[kMGT]?B\/s)\b/g, ''));
}

/** Finds the literals that an expression puts together, but for those in tagged templates and in calls. */
function bareIn(node: ts.Node, refuse: (node: ts.Node, text: string) => void): void {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) {
    if (hasWords(node.text)) refuse(node, node.text);
  } else if (ts.isTemplateExpression(node)) {
    const text = keyOf(node).replace(/\{\d+\}/g, ' ');
    if (hasWords(text)) refuse(node, keyOf(node));
    for (const { expression } of node.templateSpans) bareIn(expression, refuse);
  } else if (ts.isConditionalExpression(node)) {
    bareIn(node.whenTrue, refuse);
    bareIn(node.whenFalse, refuse);
  } else if (ts.isBinaryExpression(node)) {
    if (!/[=<>]/.test(node.operatorToken.getText())) {
      bareIn(node.left, refuse);
      bareIn(node.right, refuse);
    }
  } else if (ts.isParenthesizedExpression(node)) bareIn(node.expression, refuse);
}
