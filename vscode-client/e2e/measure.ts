/**
 * Measure: from a keystroke to rows, and what starting costs, in the driven workbench.
 *
 *     MEANING_TEST_PYTHON=python3 npx tsx e2e/measure.ts FOLDER CACHE OUT.json
 *
 * Takes a folder to index (the figures are meant for one of 20,000 symbols), the folder for its index, and a packaged
 * extension (`make vsix`), gives samples in milliseconds. Each question is asked several times, one after the other, so that every answer differs from
 * the one before it: put in by one stroke, and typed letter by letter. The time of the first change of the rows after the
 * last stroke, and of the last one, is taken in the page itself. What activation costs is what VS Code says of it.
 * Meaningful on a calm machine alone; `python -m benchmarks.speed --only vscode` makes rows of it.
 */
/// <reference lib="dom" />
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { CLIENT, CodeServer, installCodeServer } from './codeServer.js';
import { write } from './project.js';
import { eventually, Workbench } from './workbench.js';

const ROUNDS = 6;
const STARTS = 10;
/** Milliseconds without a change after which an answer is complete: five times what may be taken. */
const QUIET = 2000;
/** Milliseconds between two letters: a fast typist's. */
const LETTER = 80;
/** Milliseconds for the first index. */
const INDEXING = 3600_000;
const QUESTIONS = [
  'validate the fields of a model',
  'retry a request with growing pauses',
  'read settings from the environment',
  'turn an exception into a response',
  'parse a date out of a string',
  'merge two schemas into one',
];

/** Of one question, in milliseconds since the last stroke. */
interface Sample {
  first: number;
  last: number;
}

/** In the page: note when the rows change after something was typed. */
function watch(): void {
  const times = { start: 0, first: 0, last: 0 };
  let shown = '';
  const rows = (): string =>
    [...document.querySelectorAll('.quick-input-list .monaco-list-row')]
      .map((row) => row.getAttribute('aria-label'))
      .join('\n');
  document.addEventListener('input', () => Object.assign(times, { start: performance.now(), first: 0, last: 0 }), true);
  new MutationObserver(() => {
    const now = rows();
    if (now !== shown) {
      shown = now;
      times.last = performance.now();
      times.first ||= times.last;
    }
  }).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ['aria-label'] });
  Object.assign(globalThis, { meaningTimes: times });
}

async function main([folder, cache, out]: string[]): Promise<void> {
  if (folder === undefined || cache === undefined || out === undefined) {
    throw new Error('usage: npx tsx e2e/measure.ts FOLDER CACHE OUT.json');
  }
  const [vsix] = (await readdir(CLIENT)).filter((name) => name.endsWith('.vsix'));
  if (vsix === undefined) {
    throw new Error('there is no packaged extension: make vsix');
  }
  const scratch = await mkdtemp(path.join(tmpdir(), 'meaning-measure-'));
  await installCodeServer();
  await CodeServer.installExtension(scratch, path.join(CLIENT, vsix));
  await write(scratch, { 'user/Machine/settings.json': JSON.stringify({ 'meaning.cacheDir': path.resolve(cache) }) });
  const server = await CodeServer.start(scratch);
  const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const window = new Workbench(await browser.newPage({ viewport: { width: 1280, height: 800 } }));
    await window.open(server.url, path.resolve(folder));
    await window.trust();
    await eventually(
      'the folder is indexed',
      async () => (await sleep(5000), /ready/.test(await window.status())),
      INDEXING,
    );
    await window.openList('Alt+KeyM');
    await window.page.evaluate('globalThis.__name = (named) => named'); // tsx calls it in every function
    await window.page.evaluate(watch);
    const samples = {
      put: await ask(window, (question) => window.page.keyboard.insertText(question)),
      typed: await ask(window, (question) => window.page.keyboard.type(question, { delay: LETTER })),
      activation: await start(window, server.url, path.resolve(folder)),
    };
    await writeFile(out, `${JSON.stringify(samples)}\n`);
  } finally {
    await browser.close();
    await server.stop();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Ask all questions several times; the first round warms up. */
async function ask(window: Workbench, put: (question: string) => Promise<void>): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const question of QUESTIONS) {
      await window.press('Control+KeyA');
      await put(question);
      await sleep(QUIET);
      const { start, first, last } = await window.page.evaluate(
        () => (globalThis as unknown as { meaningTimes: Sample & { start: number } }).meaningTimes,
      );
      if (round > 0 && first > 0) {
        samples.push({ first: first - start, last: last - start });
      }
    }
  }
  return samples;
}

/** Open the window anew several times; what VS Code says that activating the extension took, loading it included. */
async function start(window: Workbench, url: string, folder: string): Promise<number[]> {
  const samples: number[] = [];
  for (let turn = 0; turn < STARTS; turn += 1) {
    await window.open(url, folder);
    await eventually('it runs', async () => /ready/.test(await window.status()));
    await window.command('Developer: Show Running Extensions');
    const row = window.page.locator('.runtime-extensions-editor .extension', { hasText: 'Find Code by Meaning' });
    const said = await row.locator('.activation-time').innerText();
    samples.push(Number(/Activation: (\d+)/.exec(said)?.[1]));
    await window.press('Control+KeyW');
  }
  return samples;
}

void main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
