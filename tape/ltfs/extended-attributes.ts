import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { english } from '../../messages/sentence.js';
import { TapeflowFailure, describeError, systemErrorCode } from '../../config/failures.js';

const run = promisify(execFile);

/** Milliseconds after which a call counts as hung; a drive can take minutes to write its index. */
const callTimeoutMs = 30 * 60_000;

/** Gets and sets extended attributes, for which Node has no API. */
export interface AttributeTool {
  name: string;
  get(path: string, attribute: string): Promise<string>;
  set(path: string, attribute: string, value: string): Promise<void>;
}

const setfattr: AttributeTool = {
  name: 'getfattr/setfattr',
  async get(path, attribute) {
    const { stdout } = await run('getfattr', ['--absolute-names', '--only-values', '-n', attribute, path], {
      timeout: callTimeoutMs,
    });
    return stdout.trim();
  },
  async set(path, attribute, value) {
    await run('setfattr', ['-n', attribute, '-v', value, path], { timeout: callTimeoutMs });
  },
};

/** macOS: `xattr`; there LTFS's attribute names have no `user.` prefix. */
const xattr: AttributeTool = {
  name: 'xattr',
  async get(path, attribute) {
    const { stdout } = await run('xattr', ['-p', attribute.replace(/^user\./, ''), path], {
      timeout: callTimeoutMs,
    });
    return stdout.trim();
  },
  async set(path, attribute, value) {
    await run('xattr', ['-w', attribute.replace(/^user\./, ''), value, path], { timeout: callTimeoutMs });
  },
};

const getScript = 'import os,sys; sys.stdout.buffer.write(os.getxattr(sys.argv[1], sys.argv[2]))';
const setScript = 'import os,sys; os.setxattr(sys.argv[1], sys.argv[2], sys.argv[3].encode())';

/** Linux: Python's `os` has the calls. */
const python: AttributeTool = {
  name: 'python3',
  async get(path, attribute) {
    const { stdout } = await run('python3', ['-c', getScript, path, attribute], { timeout: callTimeoutMs });
    return stdout.trim();
  },
  async set(path, attribute, value) {
    await run('python3', ['-c', setScript, path, attribute, value], { timeout: callTimeoutMs });
  },
};

async function works(tool: AttributeTool): Promise<boolean> {
  try {
    await tool.get('/', 'user.tapeflow.probe');
    return true;
  } catch (error) {
    // The program ran and found no such attribute, as expected. ENOENT: there is no such program.
    return systemErrorCode(error) !== 'ENOENT' && systemErrorCode(error) !== 'EACCES';
  }
}

let found: Promise<AttributeTool | undefined> | undefined;

/** The first tool available on this machine; undefined when there is none. */
function attributeTool(): Promise<AttributeTool | undefined> {
  found ??= (async () => {
    const candidates = process.platform === 'darwin' ? [xattr] : [setfattr, python];
    for (const tool of candidates) if (await works(tool)) return tool;
    return undefined;
  })();
  return found;
}

/** The tool; throws a failure that says what to install when there is none. */
export async function requireAttributeTool(): Promise<AttributeTool> {
  const tool = await attributeTool();
  if (tool !== undefined) return tool;
  throw new TapeflowFailure(
    'NoAttributeTool',
    english`This machine has no way to sync the index of an LTFS tape: neither getfattr/setfattr nor
      Python 3 was found.`,
    { kind: 'person', advice: english`Install the package attr.` },
  );
}

/** The message of a failed attribute call: its stderr, or else the error. */
export function attributeError(error: unknown): string {
  if (
    error !== null &&
    typeof error === 'object' &&
    'stderr' in error &&
    String(error.stderr).trim() !== ''
  ) {
    return String(error.stderr).trim().split('\n').at(-1) ?? '';
  }
  return describeError(error);
}
