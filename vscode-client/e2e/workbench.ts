/**
 * A window of the workbench, driven through the browser as a user would.
 *
 * Takes a Playwright page, gives what a user can do and see. Waits for what is to be seen, never for time.
 */
/// <reference lib="dom" />
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Locator, Page } from 'playwright-core';
import { CACHE } from './codeServer.js';

/** Pictures of what was seen, for people to look at. */
export const PICTURES = path.join(CACHE, 'vscode-pictures');

/** Milliseconds for one thing that is waited for: a busy machine takes a tenth of them. */
export const PATIENCE = 60_000;

/** Milliseconds after which something is tried again that a window may have missed. */
const MOMENT = 6000;

/** Wait for something. */
export async function eventually(
  what: string,
  holds: () => Promise<boolean> | boolean,
  patience = PATIENCE,
): Promise<void> {
  const end = Date.now() + patience;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `${what}: waited in vain`);
    await sleep(100);
  }
}

export interface Seen {
  name: string;
  description: string;
  detail: string;
}

export class Workbench {
  constructor(readonly page: Page) {}

  /** Open a folder, or a workspace of several by its file. */
  async open(url: string, place: string): Promise<void> {
    const kind = place.endsWith('.code-workspace') ? 'workspace' : 'folder';
    await this.page.goto(`${url}/?${kind}=${encodeURIComponent(place)}`);
    await this.page.locator('.monaco-workbench .statusbar').waitFor();
    await this.page.locator('.explorer-folders-view .monaco-list-row').first().waitFor();
  }

  /** Say that the folders that are open may be trusted. */
  async trust(): Promise<void> {
    await this.page.locator('.part.banner').getByText('Manage').click();
    await this.page.locator('.workspace-trust-editor .monaco-button', { hasText: /^Trust$/ }).click();
    await this.page.locator('.part.banner').waitFor({ state: 'hidden' });
    await this.press('Control+KeyW');
  }

  /** Press a button of the dialog that is in the way. */
  async answer(button: string | RegExp): Promise<void> {
    const box = this.page.locator('.monaco-dialog-box');
    await box.locator('.monaco-button', { hasText: button }).click();
    await box.waitFor({ state: 'hidden' });
  }

  /** Save a picture; under its name it can be found among the artefacts. */
  async picture(name: string): Promise<void> {
    mkdirSync(PICTURES, { recursive: true });
    await this.page.screenshot({ path: path.join(PICTURES, `${name}.png`) });
  }

  async press(keys: string): Promise<void> {
    await this.page.keyboard.press(keys);
  }

  /** Press keys and click what they show; anew if it was closed meanwhile. A menu passes over a click that is too quick. */
  async pressAndClick(keys: string, there: Locator): Promise<void> {
    await eventually(`${keys} leads somewhere`, async () => {
      await this.press(keys);
      return succeeds(there.click({ delay: 200, timeout: MOMENT }));
    });
  }

  clipboard(): Promise<string> {
    return this.page.evaluate(() => navigator.clipboard.readText());
  }

  // ---- the list under an input

  get input(): Locator {
    return this.page.locator('.quick-input-widget .quick-input-box input');
  }

  get title(): Locator {
    return this.page.locator('.quick-input-widget .quick-input-title');
  }

  get rows(): Locator {
    return this.page.locator('.quick-input-widget .quick-input-list .monaco-list-row');
  }

  /** A row whose name is this. */
  row(name: string | RegExp): Locator {
    return this.rows.filter({ has: this.page.locator('.label-name', { hasText: name }) });
  }

  /** Press a button above the list. */
  async button(label: string): Promise<void> {
    await this.page.locator(`.quick-input-titlebar [aria-label="${label}"]`).click();
  }

  /** Press a button of the first row with this name; it is to be seen while the mouse is there. */
  async rowButton(name: string | RegExp, label: string): Promise<void> {
    const row = this.row(name).first();
    await row.hover();
    await row.locator(`[aria-label="${label}"]`).click();
  }

  /** A line that says what the rows below it are. Rows are used again, with the lines of others hidden in them. */
  separator(text: string | RegExp = ''): Locator {
    const lines = this.page.locator('.quick-input-widget .quick-input-list-separator');
    return lines.filter({ hasText: text, visible: true }).first();
  }

  /** Press keys until a list opens: what they depend on is told to the window a moment after another was closed. */
  async openList(keys: string): Promise<void> {
    await eventually(`${keys} opens a list`, async () => {
      await this.press(keys);
      return succeeds(this.input.waitFor({ timeout: MOMENT }));
    });
  }

  /** Put a text into the input, in one step: keys may go to an editor that takes the focus back meanwhile. */
  private async fill(text: string): Promise<void> {
    const put = (element: Element, value: string): void => {
      const input = element as HTMLInputElement;
      input.focus();
      input.value = value;
      input.dispatchEvent(new InputEvent('input', { bubbles: true }));
    };
    await this.input.waitFor({ timeout: MOMENT });
    await this.input.evaluate(put, text, { timeout: MOMENT });
  }

  /** Type into a list that keys open; anew if it was closed meanwhile, by what was shown before and took the focus back. */
  async type(keys: string, text: string): Promise<void> {
    await eventually(`"${text}" is typed`, async () => {
      await this.openList(keys);
      return succeeds(this.fill(text));
    });
  }

  /** Type into a list that keys open and choose the row with this name; anew if the list was closed meanwhile. */
  async choose(keys: string, typed: string, name: string): Promise<void> {
    await eventually(`"${typed}" offers ${name}`, async () => {
      await this.type(keys, typed);
      return succeeds(this.chooseRow(name));
    });
  }

  /** By keys, not by a click: rows change places under the mouse while more are found. */
  private async chooseRow(name: string): Promise<void> {
    let at = -1;
    await eventually(
      `${name} is offered`,
      async () =>
        (at = (await this.seen()).filter((row) => row.name !== '').findIndex((row) => row.name === name)) >= 0,
      MOMENT,
    );
    for (; at > 0; at -= 1) {
      await this.press('ArrowDown');
    }
    await this.press('Enter');
  }

  /** Run a command by its title. */
  command(title: string): Promise<void> {
    return this.choose('F1', `>${title}`, title);
  }

  /** Ask a question until the first row has this name: an index that is not ready yet knows less. */
  async ask(question: string, name: string): Promise<void> {
    await eventually(`the answer to "${question}" begins with ${name}`, async () => {
      if (!(await this.input.isVisible())) {
        await this.openList('Alt+KeyM');
      }
      if (!(await succeeds(this.fill('').then(() => this.fill(question))))) {
        return false; // what was shown before took the focus back
      }
      for (let look = 0; look < 30; look += 1) {
        if ((await this.seen())[0]?.name === name) {
          return true;
        }
        await sleep(100);
      }
      return false;
    });
  }

  /** The rows that are to be seen, in their order. */
  async seen(): Promise<Seen[]> {
    return this.rows.evaluateAll((rows) =>
      rows
        .map((row) => ({
          at: Number(row.getAttribute('data-index')),
          name: row.querySelector('.label-name')?.textContent.trim() ?? '',
          description: row.querySelector('.label-description')?.textContent ?? '',
          detail: row.querySelector('.quick-input-list-label-meta')?.textContent ?? '',
        }))
        .sort((one, other) => one.at - other.at)
        .map(({ name, description, detail }) => ({ name, description, detail })),
    );
  }

  /** Close what is open under an input. */
  async escape(): Promise<void> {
    await eventually('the list closes', async () => {
      await this.press('Escape');
      return succeeds(this.input.waitFor({ state: 'hidden', timeout: MOMENT }));
    });
  }

  // ---- editors

  /** Open a file by its path, with the cursor on a line. */
  async file(name: string, line = 1): Promise<void> {
    const base = path.basename(name);
    await eventually(`${name} is shown`, async () => {
      await this.choose('Control+KeyP', name, base);
      return succeeds(this.tab(base).waitFor({ timeout: MOMENT }));
    });
    await eventually(`the cursor is on line ${line}`, async () => {
      await this.type('Control+KeyG', `:${line}`);
      await this.press('Enter');
      const isClosed = await succeeds(this.input.waitFor({ state: 'hidden', timeout: MOMENT }));
      return isClosed && (await this.line()) === line;
    });
  }

  /** The tab of a file, when it is the one that is shown. */
  tab(name: string): Locator {
    return this.page.locator(`.tabs-container .tab.active[data-resource-name="${name}"]`).first();
  }

  /** The cursor's line, as the status bar tells it. */
  async line(): Promise<number> {
    const text = await this.page.locator('[id="status.editor.selection"]').innerText();
    return Number(/Ln (\d+)/.exec(text)?.[1]);
  }

  /** The text of the file that is shown, as far as it is to be seen. */
  get editor(): Locator {
    return this.page.locator('.editor-instance .view-lines');
  }

  /** The rows of the results view. */
  get results(): Locator {
    return this.page.locator('.sidebar .monaco-list[aria-label*="Results"] .monaco-list-row');
  }

  get notifications(): Locator {
    return this.page.locator('.notifications-toasts .notification-list-item');
  }

  /** What the status says: the first line of its menu. */
  async status(): Promise<string> {
    await this.command('Meaning: Show Status and Actions');
    await this.title.filter({ hasText: 'Find Code by Meaning' }).waitFor();
    const text = await this.separator().innerText();
    await this.picture(`status-${text.replaceAll(/[\W\d]+/g, '-')}`);
    await this.escape();
    return text;
  }
}

function succeeds(doing: Promise<unknown>): Promise<boolean> {
  return doing.then(
    () => true,
    () => false,
  );
}
