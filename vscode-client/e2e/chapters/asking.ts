/** Questions, and the places that they lead to: files, files that are being typed, notebooks. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { homes } from '../codeServer.js';
import { DOOMED, ORCHARD } from '../project.js';
import { lineOf, project, scratch, serverPython, window } from '../stage.js';
import { eventually } from '../workbench.js';

const SIMILAR = /^Find Similar Code/i;

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
  await window.picture('find');
  await window.escape();
  await window.tab('orchard.py').waitFor();
  assert.equal(await window.line(), 4);
});

test('Escape leads back to a comparison, too', async () => {
  await window.file('python/orchard.py', 1);
  await window.command('File: Compare Active File with Clipboard');
  const comparison = window.page.locator('.tabs-container .tab.active', { hasText: 'Clipboard' });
  await comparison.waitFor();
  await window.ask('give up when the lock cannot be had in time', '_check_give_up');
  await window.tab('_api.py').waitFor();
  await window.escape();
  await comparison.waitFor();
  await window.press('Control+KeyW');
});

test('rows stand in the order in which the server gives them', async () => {
  await window.command('View: Close All Editors'); // what is near to an open file is lifted
  for (const question of ['where does a program keep its settings on macOS', 'give up when the lock cannot be had']) {
    const [first = '', ...others] = answerOf(question);
    await window.ask(question, first);
    await eventually('the order is the same', async () => {
      const names = (await window.seen()).map(({ name }) => name);
      return names.length > 4 && names.slice(1).every((name, at) => name === others[at]);
    });
    await window.escape();
  }
});

/** The names of symbols that the server's command line finds in the same index. */
function answerOf(question: string): string[] {
  const words = ['-I', '-m', 'lsp_server', 'search', question, project, '--json', '--no-update', '--limit', '50'];
  const said = execFileSync(serverPython(), words, { env: homes(scratch), encoding: 'utf8' });
  return said.trim().split('\n').map((line) => (JSON.parse(line) as { name: string }).name); // prettier-ignore
}

test('what is nearest is said to be a miss when nothing fits', async () => {
  await window.type('Alt+KeyM', 'bake a chocolate cake for grandmother');
  await window.separator('nearest misses').waitFor();
  await window.title.filter({ hasText: 'nothing is clearly about this' }).waitFor();
  await window.picture('nearest-misses');
});

test('what is typed is found before it is saved, and after', async () => {
  await window.file('orchard.py', 7);
  await window.press('Control+End');
  await window.page.keyboard.insertText(
    '\n\ndef irrigate(beds, litres):\n    """Share water among garden beds by how dry they are."""\n    return beds',
  );
  await window.ask('give the dry garden beds more water than the others', 'irrigate');
  await window.escape();
  await window.page.locator('.tab.active.dirty').waitFor();
  await window.press('Control+KeyS');
  await window.page.locator('.tab.active.dirty').waitFor({ state: 'detached' });
  await window.ask('give the dry garden beds more water than the others', 'irrigate');
  await window.press('Enter');
  await eventually('the cursor is on it', async () => (await window.line()) === lineOf(ORCHARD, 'def irrigate'));
});

test('a cell of a notebook is found as it is typed, and Enter goes into it', async () => {
  await window.choose('Control+KeyP', 'bees.ipynb', 'bees.ipynb');
  const cell = window.page.locator('.notebookOverlay .code-cell-row .monaco-editor').first();
  await cell.locator('.view-line').first().click();
  await window.press('Control+End');
  await window.page.keyboard.insertText(
    '\n\ndef spin_honey(combs):\n    """Take the honey out of the combs of the bees."""\n    return combs',
  );
  await window.ask('get the sweet stuff out of the honeycombs', 'spin_honey');
  await window.picture('notebook');
  await window.press('Enter');
  await standsBefore('spin_honey(combs):');
  await window.press('Control+KeyS');
  await window.page.locator('.tab.active.dirty').waitFor({ state: 'detached' });
  await window.file('orchard.py', 1);
  await window.ask('how many hives are there', 'count_hives');
  await window.press('Enter');
  await standsBefore('count_hives(meadow):');
});

/** The cursor stands in a cell, before this rest of a line. */
async function standsBefore(rest: string): Promise<void> {
  await window.tab('bees.ipynb').waitFor();
  await eventually(`the cursor is before ${rest}`, async () => {
    await window.press('Shift+End');
    await window.press('Control+KeyC');
    return (await window.clipboard()) === rest;
  });
}

test('a file that is deleted between answer and Enter is told', async () => {
  await window.file('orchard.py', 1);
  await window.ask('chase away the birds', 'frighten_birds');
  await rm(path.join(project, DOOMED));
  await window.press('Enter');
  const message = window.notifications.filter({ hasText: 'is no longer there' });
  await message.waitFor();
  await window.picture('deleted');
  await window.press('Escape');
  await message.waitFor({ state: 'hidden' });
});

test('similar code is found from the cursor, by a key, the context menu and a code action', async () => {
  await window.file('platformdirs/macos.py', lineOf('python/platformdirs/macos.py', 'def user_data_dir'));
  const ways = [
    () => window.command('Meaning: Find Similar Code'),
    () => window.pressAndClick('Shift+F10', window.page.locator('.monaco-menu .action-label', { hasText: SIMILAR })),
    () =>
      window.pressAndClick('Control+.', window.page.locator('.action-widget .monaco-list-row', { hasText: SIMILAR })),
  ];
  for (const [turn, way] of ways.entries()) {
    await way();
    await window.title.filter({ hasText: 'Code Like' }).waitFor();
    await eventually('there are rows', async () => (await window.seen()).length > 3);
    const places = (await window.seen()).map(({ name, description }) => `${name} ${description}`);
    assert.ok(!places.some((place) => /^user_data_dir .*macos\.py/.test(place)), 'it is like itself');
    assert.ok(places.slice(0, 5).some((place) => place.includes('platformdirs/')), places.join('\n')); // prettier-ignore
    if (turn === 0) {
      await window.picture('similar');
    }
    await window.escape();
  }
});

test('a selection in a text that was never saved has similar code, too', async () => {
  await window.command('File: New Untitled Text File');
  await window.tab('Untitled-1').waitFor();
  await window.page.keyboard.insertText('def cull(trees):\n    return [apple for tree in trees if apple.ripe]\n');
  await window.press('Control+KeyA');
  await window.command('Meaning: Find Similar Code');
  await eventually('it is found', async () => (await window.seen())[0]?.name === 'harvest');
  await window.escape();
  await window.command('View: Revert and Close Editor');
});

test("VS Code's own symbol search finds by meaning", async () => {
  await window.type('Control+KeyT', '#pick_ripe_apples');
  await eventually('it comes first', async () => (await window.seen())[0]?.name === 'harvest ⟵ pick_ripe_apples');
  await window.picture('symbols');
  await window.press('Enter');
  await window.tab('orchard.py').waitFor();
  await eventually('the cursor is on it', async () => (await window.line()) === lineOf(ORCHARD, 'def harvest'));
});
