/**
 * Measure: from a keystroke to rows, in the driven workbench.
 *
 *     MEANING_TEST_PYTHON=python3 npx tsx e2e/measure.ts FOLDER OUT.json
 *
 * Takes a folder to index (the figures are meant for one of 20,000 symbols) and a packaged extension (`make vsix`). Asks
 * each question several times, one after the other, so that every answer differs from the one before it; the time of
 * the first change of the rows and of the last one is taken in the page itself. Meaningful on a calm machine alone.
 */
/// <reference lib="dom" />
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { CLIENT, CodeServer, installCodeServer } from './codeServer.js';
import { Workbench } from './workbench.js';

const ROUNDS = 10;
/** Milliseconds without a change after which an answer is complete: five times what may be taken. */
const QUIET = 2000;
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

interface Times {
  start: number;
  first: number;
  last: number;
}

/** In the page: note when the rows change after something was typed. */
function watch(): void {
  const times: Times = { start: 0, first: 0, last: 0 };
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

async function main([folder, out]: string[]): Promise<void> {
  if (folder === undefined || out === undefined) {
    throw new Error('usage: npx tsx e2e/measure.ts FOLDER OUT.json');
  }
  const [vsix] = (await readdir(CLIENT)).filter((name) => name.endsWith('.vsix'));
  if (vsix === undefined) {
    throw new Error('there is no packaged extension: make vsix');
  }
  const scratch = await mkdtemp(path.join(tmpdir(), 'meaning-measure-'));
  await installCodeServer();
  await CodeServer.installExtension(scratch, path.join(CLIENT, vsix));
  const server = await CodeServer.start(scratch);
  const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const window = new Workbench(await browser.newPage({ viewport: { width: 1280, height: 800 } }));
    await window.open(server.url, path.resolve(folder));
    const end = Date.now() + INDEXING;
    while (!/ready/.test(await window.status())) {
      if (Date.now() > end) {
        throw new Error('the folder was not indexed within an hour');
      }
      await sleep(5000);
    }
    await window.openList('Alt+KeyM');
    await window.page.evaluate('globalThis.__name = (named) => named'); // tsx calls it in every function
    await window.page.evaluate(watch);
    const samples: Times[] = [];
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (const question of QUESTIONS) {
        await window.press('Control+KeyA');
        await window.page.keyboard.insertText(question);
        await sleep(QUIET);
        const times = await window.page.evaluate(() => ({
          ...(globalThis as unknown as { meaningTimes: Times }).meaningTimes,
        }));
        if (round > 0 && times.first > 0) {
          samples.push(times); // the first round warms up
        }
      }
    }
    const median = (values: number[]): number => Math.round(values.sort((a, b) => a - b)[values.length >> 1] ?? NaN);
    const figures = {
      firstRow: median(samples.map(({ start, first }) => first - start)),
      finalRows: median(samples.map(({ start, last }) => last - start)),
      samples: samples.length,
      load: loadavg()[0],
      folder: path.basename(folder),
      date: new Date().toISOString(),
    };
    await writeFile(out, `${JSON.stringify(figures, null, 2)}\n`);
    console.log(figures);
  } finally {
    await browser.close();
    await server.stop();
    await rm(scratch, { recursive: true, force: true });
  }
}

void main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
