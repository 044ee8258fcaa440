/**
 * What the chapters of the story share: a project, a workbench in which the extension was installed, and a window of it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before } from 'node:test';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';
import { CLIENT, CodeServer, installCodeServer } from './codeServer.js';
import { makeProject } from './project.js';
import { PATIENCE, PICTURES, Workbench } from './workbench.js';

/** As wide as the pictures on the extension's page can be read. */
const WINDOW = { width: 1160, height: 720 };

export let scratch: string;
export let project: string;
export let server: CodeServer;
export let window: Workbench;
let browser: Browser;
let context: BrowserContext;

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
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  window = await openWindow(project);
});

after(async () => {
  await browser.close();
  await server.stop();
  await keepLogs();
  await rm(scratch, { recursive: true, force: true, maxRetries: 10, retryDelay: 500 });
});

afterEach(async (about) => {
  if (!(about as { passed?: boolean }).passed) {
    await window.picture(`after ${about.name}`.replaceAll(/\W+/g, '-'));
  }
  await window.escape();
});

/** Open another window on a folder, or on the file of a workspace; of another workbench, if one is given. */
export async function openWindow(place: string, of = server): Promise<Workbench> {
  const opened = new Workbench(await context.newPage());
  await opened.open(of.url, place);
  return opened;
}

/** The line of a file of the project, from 1, that contains a text. */
export function lineOf(name: string, text: string): number {
  const lines = readFileSync(path.join(project, name), 'utf8').split('\n');
  return lines.findIndex((line) => line.includes(text)) + 1;
}

/** The processes of language servers that run from the scratch folder. */
export function serverPids(): number[] {
  const table = execFileSync('ps', ['-e', '-ww', '-o', 'pid=,args='], { encoding: 'utf8' });
  return table
    .split('\n')
    .filter((line) => line.includes(scratch) && line.includes('-m lsp_server --stdio'))
    .map((line) => Number.parseInt(line, 10));
}

/** The interpreter of the environment that the extension has made for its server. */
export function serverPython(): string {
  const environments = path.join(scratch, 'user', 'User', 'globalStorage', 'meaning-ls.meaning-ls', 'server');
  const [made = ''] = readdirSync(environments).filter((name) => !name.startsWith('lock'));
  return path.join(environments, made, 'bin', 'python');
}

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
