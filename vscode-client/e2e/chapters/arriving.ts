/** The first minutes: trust, an environment, an index, the walkthrough, the status. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { serverPids, serverPython, window } from '../stage.js';
import { eventually } from '../workbench.js';

/** Milliseconds for all that is installed. */
const INSTALLING = 240_000;

test('the server appears by itself, and indexes', { timeout: 2 * INSTALLING }, async () => {
  assert.deepEqual(serverPids(), [], 'nobody has said yet that the folder may be trusted');
  await window.trust();
  const progress = window.notifications.filter({ hasText: 'installing the server' });
  await progress.waitFor();
  // What it is at is told, and it can be stopped.
  await progress.filter({ hasText: 'installing the server: ' }).getByText('Cancel').waitFor();
  await window.picture('installing');
  await progress.waitFor({ state: 'hidden', timeout: INSTALLING });
  await eventually('the server runs', () => serverPids().length === 1);
  await eventually('the index is ready', async () => /ready/.test(await window.status()), INSTALLING);
  const environments = await readdir(path.resolve(serverPython(), '../../..'));
  assert.equal(environments.length, 1, environments.join());
});

test('the walkthrough shows its pictures', async () => {
  await window.press('Control+KeyB'); // pictures need room
  await window.choose('F1', '>Welcome: Open Walkthrough', 'Welcome: Open Walkthrough...');
  await window.row('Find code by what it does').first().click();
  const picture = window.page.locator('.getting-started-media img').first();
  await picture.waitFor();
  await eventually('the picture is there', () =>
    picture.evaluate((image) => (image as HTMLImageElement).naturalWidth > 500),
  );
  await window.picture('walkthrough');
  await window.press('Control+KeyW');
  await window.press('Control+KeyB');
});

test('the status leads to all that can be done', async () => {
  await window.file('orchard.py', 4);
  await window.page.locator('[id="status.languageStatus"]').click();
  const line = window.page.locator('.hover-language-status', { hasText: 'Meaning: ready' });
  await line.waitFor();
  await window.picture('status');
  await line.getByText('Actions').click();
  await window.title.filter({ hasText: 'Find Code by Meaning' }).waitFor();
  for (const name of ['Pause Indexing', 'Index Again', 'Choose a Model', 'Doctor Report', 'Open the Log']) {
    await window.row(name).waitFor();
  }
  await window.row('Doctor Report').click();
  await eventually('the report is there', async () => {
    const texts = window.page.frames().map((frame) => frame.locator('body').innerText({ timeout: 1000 }));
    const said = (await Promise.allSettled(texts)).map((one) => (one.status === 'fulfilled' ? one.value : ''));
    return said.some((text) => /meaning-ls: report[^]*\nServer\n/.test(text));
  });
  await window.picture('doctor');
  await window.press('Control+KeyW');
});

test('the model can be chosen', async () => {
  await window.command('Meaning: Choose a Model…');
  await window.title.filter({ hasText: 'Model: auto' }).waitFor();
  await window.row('auto').waitFor();
  await window.row(/minilm/).waitFor();
  await window.picture('models');
});
