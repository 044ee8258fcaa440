/**
 * The extension in a real workbench, with the real server and the real model, as somebody meets it who has just installed
 * it. One story: each test goes on where the one before it ended.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';
import { CLIENT, CodeServer, installCodeServer } from './codeServer.js';
import { makeProject, ORCHARD } from './project.js';
import { eventually, PATIENCE, PICTURES, Workbench } from './workbench.js';

/** Milliseconds for all that is installed. */
const INSTALLING = 240_000;
const WINDOW = { width: 1280, height: 800 };

let scratch: string;
let project: string;
let server: CodeServer;
let browser: Browser;
let context: BrowserContext;
let window: Workbench;

before(async () => {
  await rm(PICTURES, { recursive: true, force: true });
  scratch = await mkdtemp(path.join(tmpdir(), 'meaning-e2e-'));
  project = path.join(scratch, 'my pröject');
  await makeProject(project);
  await installCodeServer();
  await CodeServer.installExtension(scratch, await vsix());
  server = await CodeServer.start(scratch);
  const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
  // Chromium's sandbox wants rights that root in a container does not have; it shows our own page alone.
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  context = await browser.newContext({ viewport: WINDOW, reducedMotion: 'reduce' });
  context.setDefaultTimeout(PATIENCE);
  window = new Workbench(await context.newPage());
  await window.open(server.url, project);
});

after(async () => {
  await browser.close();
  await server.stop();
  await keepLogs();
  await rm(scratch, { recursive: true, force: true, maxRetries: 10, retryDelay: 500 });
});

async function vsix(): Promise<string> {
  const found = (await readdir(CLIENT)).filter((name) => name.endsWith('.vsix'));
  assert.equal(found.length, 1, `make vsix, which leaves one: ${found.join(', ')}`);
  return path.join(CLIENT, found[0] ?? '');
}

/** What the extension had to say, beside the pictures. */
async function keepLogs(): Promise<void> {
  const logs = path.join(scratch, 'user', 'logs');
  await mkdir(PICTURES, { recursive: true });
  await cp(logs, path.join(PICTURES, 'logs'), { recursive: true, force: true }).catch(() => undefined);
}

/** The line of a file, from 1, that contains a text. */
function lineOf(name: string, text: string): number {
  const lines = readFileSync(path.join(project, name), 'utf8').split('\n');
  return lines.findIndex((line) => line.includes(text)) + 1;
}

/** The processes of language servers that run from the scratch folder. */
function serverPids(): number[] {
  const table = execFileSync('ps', ['-e', '-ww', '-o', 'pid=,args='], { encoding: 'utf8' });
  return table
    .split('\n')
    .filter((line) => line.includes(scratch) && line.includes('-m lsp_server --stdio'))
    .map((line) => Number.parseInt(line, 10));
}

afterEach(async (about) => {
  if (!(about as { passed?: boolean }).passed) {
    await window.picture(`after ${about.name}`.replaceAll(/\W+/g, '-'));
  }
  await window.escape();
});

test('the server appears by itself, and indexes', { timeout: 2 * INSTALLING }, async () => {
  const progress = window.notifications.filter({ hasText: 'installing the server' });
  await progress.waitFor();
  // What it is at is told, and it can be stopped.
  await progress.filter({ hasText: 'installing the server: ' }).getByText('Cancel').waitFor();
  await window.picture('installing');
  await progress.waitFor({ state: 'hidden', timeout: INSTALLING });
  await eventually('the server runs', () => serverPids().length === 1);
  await eventually('the index is ready', async () => /ready/.test(await window.status()), INSTALLING);
  const environments = await readdir(
    path.join(scratch, 'user', 'User', 'globalStorage', 'meaning-ls.meaning-ls', 'server'),
  );
  assert.equal(environments.length, 1, environments.join());
});

test('questions are answered, and Enter goes to the right line', async () => {
  for (const [at, [question, name, file, text]] of Object.entries([
    ['give up when the lock cannot be had in time', '_check_give_up', 'python/filelock/_api.py', 'def _check_give_up'],
    ['limit how many promises run at once', 'pLimit', 'javascript/p-limit/index.js', 'const pLimit ='],
    ['where does a program keep its settings on macOS', 'MacOS', 'python/platformdirs/macos.py', 'class MacOS('],
  ] as const)) {
    await window.ask(question, name);
    await window.picture(`question-${at}`);
    await window.press('Enter');
    await window.tab(path.basename(file)).waitFor();
    await eventually(`the cursor is on ${text}`, async () => (await window.line()) === lineOf(file, text));
  }
});

test('rows are previewed, and Escape leads back', async () => {
  await window.file('orchard.py', 4);
  await window.ask('give up when the lock cannot be had in time', '_check_give_up');
  await window.press('ArrowDown');
  await window.press('ArrowUp');
  await window.tab('_api.py').waitFor();
  await window.picture('preview');
  await window.escape();
  await window.tab('orchard.py').waitFor();
  assert.equal(await window.line(), 4);
});

test('what was saved is found', async () => {
  await window.file('orchard.py', 7);
  await window.press('Control+End');
  await window.page.keyboard.insertText(
    '\n\ndef irrigate(beds, litres):\n    """Share water among garden beds by how dry they are."""\n    return beds',
  );
  await window.press('Control+KeyS');
  await window.page.locator('.tab.active.dirty').waitFor({ state: 'detached' });
  await window.ask('give the dry garden beds more water than the others', 'irrigate');
  await window.picture('saved');
  await window.press('Enter');
  await eventually('the cursor is on it', async () => (await window.line()) === lineOf(ORCHARD, 'def irrigate'));
});

test('similar code is found from the cursor', async () => {
  await window.file('platformdirs/macos.py', lineOf('python/platformdirs/macos.py', 'def user_data_dir'));
  await window.command('Meaning: Find Similar Code');
  await window.title.filter({ hasText: 'Code Like' }).waitFor();
  await eventually('there are rows', async () => (await window.seen()).length > 3);
  const seen = await window.seen();
  await window.picture('similar');
  const places = seen.map(({ name, description }) => `${name} ${description}`);
  assert.ok(!places.some((place) => /^user_data_dir .*macos\.py/.test(place)), 'it is like itself');
  assert.ok(
    places.slice(0, 5).some((place) => place.includes('platformdirs/')),
    places.join('\n'),
  );
  await window.escape();
});

test('filters are completed while typing', async () => {
  await window.openList('Alt+KeyM');
  await window.input.fill('kind:cla');
  await window
    .row(/^class$/)
    .first()
    .waitFor();
  await window.picture('filters');
  await window.press('Enter');
  await eventually('the filter is typed', async () => /^kind:class ?$/.test(await window.input.inputValue()));
  await window.page.keyboard.insertText('where a program keeps its settings on macOS');
  await eventually('classes are found', async () => (await window.seen())[0]?.name === 'MacOS');
  await window.escape();
});

test('the server comes back when it is killed', async () => {
  const [pid] = serverPids();
  assert.ok(pid !== undefined);
  process.kill(pid, 'SIGKILL');
  await eventually('another one runs', () => serverPids().some((other) => other !== pid));
  await window.ask('where does a program keep its settings on macOS', 'MacOS');
  assert.equal(await window.notifications.count(), 0, 'a crash that is repaired is not worth a message');
  await window.escape();
});

test('indexing is paused and resumed', async () => {
  await window.command('Meaning: Pause Indexing');
  await eventually('it is paused', async () => /paused/.test(await window.status()));
  await window.ask('pick the ripe apples', 'harvest');
  await window.escape();
  await window.command('Meaning: Resume Indexing');
  await eventually('it goes on', async () => /ready/.test(await window.status()));
});

test('a second window on the same folder shares the index', async () => {
  const second = new Workbench(await context.newPage());
  await second.open(server.url, project);
  await eventually('it has a server', () => serverPids().length === 2);
  await eventually('it need not index', async () => /ready|reading another window/.test(await second.status()));
  await second.ask('pick the ripe apples', 'harvest');
  await second.picture('second-window');
  await second.escape();
  await second.page.close();
  await window.ask('pick the ripe apples', 'harvest');
  await window.escape();
});

test('an answer is kept in the results view', async () => {
  await window.ask('where does a program keep its settings on macOS', 'MacOS');
  await window.page.locator('.quick-input-titlebar [aria-label="Show All in the Results View"]').click();
  await window.page.locator('.sidebar .title-label', { hasText: 'Code by Meaning' }).waitFor();
  await window.page
    .locator('.sidebar .monaco-list-row', { hasText: /_MacOSDefaults/ })
    .first()
    .waitFor();
  await window.picture('results');
});

test('without Python one message says what to do', async () => {
  const folder = path.join(scratch, 'without');
  const nothing = path.join(folder, 'bin');
  await mkdir(nothing, { recursive: true });
  // The same extension, in a home where nothing was installed yet and nothing can be found.
  // VS Code asks the user's shell for more places; this one knows none.
  await cp(path.join(scratch, 'extensions'), path.join(folder, 'extensions'), { recursive: true });
  const poor = await CodeServer.start(folder, { PATH: nothing, SHELL: '/bin/true' });
  const page = await context.newPage();
  const other = new Workbench(page);
  try {
    await other.open(poor.url, project);
    const message = other.notifications.filter({ hasText: 'needs Python 3.11 or newer' });
    await message.waitFor();
    await other.notifications.filter({ hasText: 'installing the server' }).waitFor({ state: 'hidden' });
    assert.equal(await message.count(), 1);
    await message.getByText('Open Log').click();
    // Its text cannot be looked at: without native parts, code-server writes no logs.
    await page.locator('.part.panel').getByText('Output').first().waitFor();
    await other.picture('without-python');
    await other.openList('Alt+KeyM');
    await other.input.fill('anything at all');
    await other.rows.filter({ hasText: 'needs Python 3.11 or newer' }).waitFor();
  } finally {
    await other.picture('without-python-asked');
    await page.close();
    await poor.stop();
  }
});
