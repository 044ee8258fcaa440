/** The list's buttons and tokens, and what it remembers. */
import { test } from 'node:test';
import { window } from '../stage.js';
import { eventually, type Seen } from '../workbench.js';

const QUESTION = 'pick the ripe apples';

/** Wait until all symbols are so, and there are some. */
async function all(what: string, holds: (row: Seen) => boolean): Promise<void> {
  await eventually(what, async () => {
    const seen = (await window.seen()).filter(({ description }) => description !== ''); // not what filters are completed to
    return seen.length > 0 && seen.every(holds);
  });
}

test('filters are completed while typing', async () => {
  await window.type('Alt+KeyM', 'kind:cla');
  await window
    .row(/^class$/)
    .first()
    .waitFor();
  await window.press('Enter');
  await eventually('the filter is typed', async () => /^kind:class ?$/.test(await window.input.inputValue()));
  await window.page.keyboard.insertText('where a program keeps its settings on macOS');
  await eventually('classes are found', async () => (await window.seen())[0]?.name === 'MacOS');
});

test('buttons filter by kind, language, folder, change and tests', async () => {
  const isTest = ({ description }: Seen): boolean => description.includes('tests/');
  await window.ask(QUESTION, 'harvest');
  await eventually('tests are found', async () => (await window.seen()).some(isTest));
  await window.button('Leave Out Tests');
  await window.title.filter({ hasText: 'without tests' }).waitFor();
  await all('tests are left out', (row) => !isTest(row));
  await window.button('Show Tests Again');
  await eventually('tests are found again', async () => (await window.seen()).some(isTest));
  for (const [label, typed, value] of [
    ['Filter by Kind', 'kind:', 'function'],
    ['Filter by Language', 'lang:', 'python'],
    ['Filter by Folder', 'in:', 'python/'],
  ] as const) {
    await window.button(label);
    await eventually(`${typed} is typed`, async () => (await window.input.inputValue()).endsWith(` ${typed}`));
    await window.row(value).first().waitFor();
    if (typed === 'kind:') {
      await window.picture('filter');
    }
    await window.row(value).first().click();
    await eventually(`${value} is typed`, async () => (await window.input.inputValue()).includes(typed + value));
  }
  await all('only Python is found', ({ description }) => description.includes('python/'));
  await window.button('Changed Files Only');
  await all('what differs from HEAD is found', ({ description }) => /orchard\.py|bees\.ipynb/.test(description));
  await window.picture('filtered');
  await window.button('Show All Files Again');
  await eventually('the rest is found again', async () =>
    (await window.seen()).some(({ name }) => name.includes('win')),
  );
});

test('a row leads to more like it, and back', async () => {
  await window.ask(QUESTION, 'harvest');
  await window.rowButton('harvest', 'More Like This');
  await window.title.filter({ hasText: 'Code Like harvest' }).waitFor();
  await all('it is not like itself', ({ name }) => name !== 'harvest');
  await window.button('Back');
  await window.title.filter({ hasText: 'Find Code by Meaning' }).waitFor();
});

test('a row is opened to the side', async () => {
  await window.ask(QUESTION, 'harvest');
  await window.press('Control+Enter');
  await eventually(
    'there are two groups',
    async () => (await window.page.locator('.editor-group-container').count()) === 2,
  );
  await window.tab('orchard.py').waitFor();
  await window.command('View: Close All Editors in Group');
  await eventually('there is one', async () => (await window.page.locator('.editor-group-container').count()) === 1);
});

test('recent questions are remembered, and forgotten one by one or all', async () => {
  await window.openList('Alt+KeyM');
  await window.separator('recent questions').waitFor();
  await window.row(QUESTION).waitFor();
  await window.picture('recent');
  await window.rowButton(QUESTION, 'Forget This Question');
  await window.row(QUESTION).waitFor({ state: 'detached' });
  await window.separator('recent questions').waitFor();
  await window.escape();
  await window.command('Meaning: Forget Recent Questions');
  // VS Code tells the extension of a command's first use before it runs it; keys that it knows overtake that.
  await eventually('all are forgotten', async () => {
    await window.openList('Alt+KeyM');
    await window.separator('changed last').waitFor();
    const isEmpty = (await window.separator('recent questions').count()) === 0;
    await window.escape();
    return isEmpty;
  });
});
