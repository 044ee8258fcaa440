/** A machine without Python, and programs that are no server. */
import assert from 'node:assert/strict';
import { chmod, cp, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { CodeServer } from '../codeServer.js';
import { write } from '../project.js';
import { openWindow, project, scratch } from '../stage.js';
import type { Workbench } from '../workbench.js';

let folder: string;
let poor: CodeServer | undefined;
/** Its window, in which the last chapter looks what became of the program that says nothing. */
export let window: Workbench;

after(() => poor?.stop());

/** Have the extension use a program that says it is a server, and then does this. */
async function use(name: string, does: string): Promise<void> {
  await write(folder, { [name]: `#!/bin/sh\ncase "$1" in --version) echo meaning-ls 9.9;; *) ${does};; esac\n` });
  await chmod(path.join(folder, name), 0o755);
  // What names a program is a setting of the machine: in the browser's own settings it counts for nothing.
  const settings = JSON.stringify({ 'meaning.server.path': path.join(folder, name) });
  await write(folder, { 'user/Machine/settings.json': settings });
}

test('without Python one message says what to do', async () => {
  folder = path.join(scratch, 'without');
  const nothing = path.join(folder, 'bin');
  await mkdir(nothing, { recursive: true });
  // The same extension, in a home where nothing was installed yet and nothing can be found.
  // VS Code asks the user's shell for more places; this one knows none.
  await cp(path.join(scratch, 'extensions'), path.join(folder, 'extensions'), { recursive: true });
  poor = await CodeServer.start(folder, { PATH: nothing, SHELL: '/bin/true' });
  window = await openWindow(project, poor);
  await window.trust();
  const message = window.notifications.filter({ hasText: 'needs Python 3.11 or newer' });
  await message.waitFor();
  await window.notifications.filter({ hasText: 'installing the server' }).waitFor({ state: 'hidden' });
  assert.equal(await message.count(), 1);
  await window.picture('without-python');
  await message.getByText('Open Log').click();
  // Its text cannot be looked at: without native parts, code-server writes no logs.
  await window.page.locator('.part.panel').getByText('Output').first().waitFor();
  await window.type('Alt+KeyM', 'anything at all');
  await window.rows.filter({ hasText: 'needs Python 3.11 or newer' }).waitFor();
  await window.picture('without-python-asked');
  await window.escape();
});

test('a program that prints garbage is told, once', async () => {
  await use('chatty', 'echo Welcome to nothing; exec /bin/sleep 1000');
  const message = window.notifications.filter({ hasText: 'it printed "Welcome to nothing"' });
  await message.waitFor();
  assert.equal(await message.count(), 1);
  await window.picture('garbage');
});

test('nobody has to wait for a program that says nothing', async () => {
  await use('silent', 'exec /bin/sleep 1000');
  await window.openList('Alt+KeyM');
  await window.row('starting').waitFor();
  await window.picture('silent');
  await window.escape();
});
