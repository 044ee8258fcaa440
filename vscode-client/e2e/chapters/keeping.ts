/** The results view. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { lineOf, project, window } from '../stage.js';
import { eventually } from '../workbench.js';

const MACOS = 'python/platformdirs/macos.py';

/** Press a button in the title of the view. */
async function press(label: string): Promise<void> {
  await window.page.locator(`.sidebar .composite.title [aria-label^="${label}"]`).click();
}

test('an answer is kept in the results view, grouped by file', async () => {
  await window.ask('where does a program keep its settings on macOS', 'MacOS');
  await window.button('Show All in the Results View');
  await window.results.filter({ hasText: 'macos.py' }).first().waitFor();
  await window.results.filter({ hasText: /_MacOSDefaults/ }).first().waitFor(); // prettier-ignore
  await window.results
    .filter({ hasText: /^MacOS/ })
    .first()
    .click();
  await eventually('it is opened', async () => (await window.line()) === lineOf(MACOS, 'class MacOS('));
  await window.picture('results');
});

test('results are copied as Markdown, dismissed and asked for again', async () => {
  await press('Copy All as Markdown');
  await eventually('the clipboard holds a list', async () =>
    /^### where does a program/.test(await window.clipboard()),
  );
  const text = await window.clipboard();
  assert.ok(text.includes(`- \`${MACOS}\`\n  - line ${lineOf(MACOS, 'class MacOS(')}, \`MacOS\`: `), text);
  const classes = window.results.filter({ hasText: /^MacOS/ });
  await classes.first().click();
  await classes.first().getByLabel('Dismiss').click();
  await classes.first().waitFor({ state: 'detached' });
  const file = path.join(project, MACOS);
  await writeFile(file, `# moved down\n${await readFile(file, 'utf8')}`);
  await eventually('it is there again, where it is now', async () => {
    await press('Ask Again');
    return (await classes.filter({ hasText: String(lineOf(MACOS, 'class MacOS(')) }).count()) > 0;
  });
  await press('Clear the Results');
  await window.results.first().waitFor({ state: 'detached' });
});

test('the search view leads to the list', async () => {
  await window.press('Control+Shift+KeyF');
  await press('Find Code by Meaning');
  await window.title.filter({ hasText: 'Find Code by Meaning' }).waitFor();
  await window.picture('search-view');
});
