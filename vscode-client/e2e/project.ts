/**
 * A project of several languages to ask about, put together from packages that are installed here anyway.
 */
import { execFileSync } from 'node:child_process';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CLIENT } from './codeServer.js';

/** Files and folders, from where Python's packages are and from where npm's are. */
const PYTHON = ['platformdirs', 'filelock/_api.py', 'filelock/_error.py', 'filelock/_unix.py'];
const NPM = [
  'semver',
  'p-limit',
  'vscode-jsonrpc/lib/common/cancellation.d.ts',
  'vscode-jsonrpc/lib/common/events.d.ts',
];

/** A file of ours, in which things are changed. */
export const ORCHARD = 'python/orchard.py';
const ORCHARD_TEXT = `"""Orchard."""


def harvest(trees):
    """Pick all apples that are ripe."""
    return [apple for tree in trees for apple in tree if apple.ripe]
`;

/** Make the project in a folder. */
export async function makeProject(folder: string): Promise<void> {
  const python = process.env['MEANING_TEST_PYTHON'] ?? 'python3';
  const where = 'import os, platformdirs; print(os.path.dirname(os.path.dirname(platformdirs.__file__)))';
  const packages = execFileSync(python, ['-c', where], { encoding: 'utf8' }).trim();
  const filter = (file: string): boolean => !file.includes('__pycache__');
  for (const name of PYTHON) {
    await cp(path.join(packages, name), path.join(folder, 'python', name), { recursive: true, filter });
  }
  for (const name of NPM) {
    await cp(path.join(CLIENT, 'node_modules', name), path.join(folder, 'javascript', name), {
      recursive: true,
      filter,
    });
  }
  await mkdir(path.join(folder, 'python'), { recursive: true });
  await writeFile(path.join(folder, ORCHARD), ORCHARD_TEXT);
  execFileSync('git', ['init', '--quiet', folder]);
}
