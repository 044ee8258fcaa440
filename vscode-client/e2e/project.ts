/**
 * A project of several languages to ask about, put together from packages that are installed here anyway.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
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

/** Files of ours, in which things are changed. */
export const ORCHARD = 'python/orchard.py';
export const ORCHARD_TEST = 'python/tests/test_orchard.py';
export const NOTEBOOK = 'python/bees.ipynb';
export const DOOMED = 'python/scarecrow.py';
const FILES = {
  [ORCHARD]: `"""Orchard."""


def harvest(trees):
    """Pick all apples that are ripe."""
    return [apple for tree in trees for apple in tree if apple.ripe]
`,
  [ORCHARD_TEST]: `def test_harvest_picks_ripe_apples():
    assert harvest([[Apple(ripe=True), Apple(ripe=False)]]) == [Apple(ripe=True)]
`,
  [NOTEBOOK]: notebook(
    '# Bees',
    'def count_hives(meadow):\n    """How many bee hives stand on a meadow."""\n    return 3',
  ),
  [DOOMED]: `def frighten_birds(field):
    """Wave the arms of the scarecrow until the birds leave the field."""
`,
};

/** Make the project in a folder, all of it committed. */
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
  await write(folder, FILES);
  const git = (...words: string[]): Buffer => execFileSync('git', ['-C', folder, ...words]);
  git('init', '--quiet');
  git('add', '--all');
  git('-c', 'user.name=Me', '-c', 'user.email=me@example.org', 'commit', '--quiet', '--message', 'All of it');
}

/** Make a project from which nothing would be indexed if its own settings were heeded. */
export async function makeStranger(folder: string): Promise<void> {
  await write(folder, {
    '.vscode/settings.json': JSON.stringify({ 'meaning.exclude': ['**'], 'meaning.index': 'off' }),
    'lantern.py': 'def light_lantern(oil):\n    """Light the lantern of the lighthouse."""\n    return oil - 1\n',
  });
}

/** Make a workspace of a project and another folder beside it; its file is returned. */
export async function makeWorkspace(folder: string, project: string): Promise<string> {
  const file = path.join(folder, 'both.code-workspace');
  await write(folder, {
    'both.code-workspace': JSON.stringify({ folders: [{ path: project }, { path: 'harbour' }] }),
    'harbour/ferry.go':
      'package harbour\n\n// Depart leaves the pier with all passengers.\nfunc Depart(ferry Ferry) {}\n',
  });
  return file;
}

/** Make a folder of very many files, a hundred to each folder inside, and one that somebody works on. */
export function makeVast(folder: string, files: number): void {
  for (let at = 0; at < files; at += 1) {
    const part = path.join(folder, `part-${Math.floor(at / 10_000)}`, String(Math.floor(at / 100)));
    if (at % 100 === 0) {
      mkdirSync(part, { recursive: true });
    }
    writeFileSync(path.join(part, `file${at}.py`), `def step_${at}(x):\n    return x + ${at}\n`);
  }
  writeFileSync(
    path.join(folder, 'doorbell.py'),
    'def ring_doorbell(button):\n    """Tell those inside that somebody is at the door."""\n',
  );
}

/** Write files below a folder. */
export async function write(folder: string, files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}

function notebook(title: string, code: string): string {
  const lines = (text: string): string[] => text.split(/(?<=\n)/);
  const cells = [
    { cell_type: 'markdown', metadata: {}, source: lines(title) },
    { cell_type: 'code', execution_count: null, metadata: {}, outputs: [], source: lines(code) },
  ];
  const metadata = { language_info: { name: 'python' } };
  return `${JSON.stringify({ cells, metadata, nbformat: 4, nbformat_minor: 5 }, null, 1)}\n`;
}
