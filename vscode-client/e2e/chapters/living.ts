/** A server that is paused, killed, stuck and restarted; other windows; a folder that nobody trusts. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { makeStranger, makeWorkspace, write } from '../project.js';
import { openWindow, project, scratch, serverPids, window } from '../stage.js';
import { eventually } from '../workbench.js';

const QUESTION = 'pick the ripe apples';

test('indexing is paused and resumed', async () => {
  await window.command('Meaning: Pause Indexing');
  await eventually('it is paused', async () => /paused/.test(await window.status()));
  await write(project, { 'python/pond.py': 'def feed_carps(pond):\n    """Throw bread into the pond."""\n' });
  await window.ask(QUESTION, 'harvest');
  await window.type('Alt+KeyM', 'name:feed_carps');
  await window.row('Nothing found').waitFor();
  await window.escape();
  await window.command('Meaning: Resume Indexing');
  await eventually('it goes on', async () => /ready/.test(await window.status()));
  await window.ask('name:feed_carps', 'feed_carps');
});

test('the server comes back when it is killed', async () => {
  const [pid] = serverPids();
  assert.ok(pid !== undefined);
  await window.ask(QUESTION, 'harvest');
  process.kill(pid, 'SIGKILL');
  // The list that is open is answered by the next one.
  await window.input.fill('where does a program keep its settings on macOS');
  await eventually('it is answered', async () => (await window.seen())[0]?.name === 'MacOS');
  assert.ok(!serverPids().includes(pid));
  assert.equal(await window.notifications.count(), 0, 'a crash that is repaired is not worth a message');
});

test('a server that does not answer is told and can be restarted from the list', async () => {
  const [pid] = serverPids();
  assert.ok(pid !== undefined);
  process.kill(pid, 'SIGSTOP');
  await window.type('Alt+KeyM', QUESTION);
  await window.row('did not answer within 15 seconds').waitFor();
  await window.picture('no-answer');
  await window.row('Restart the server').click();
  await eventually('another one runs', () => serverPids().length === 1 && !serverPids().includes(pid));
  await window.ask(QUESTION, 'harvest');
  assert.equal(await window.notifications.count(), 0);
});

test('whoever asks for another start again and again gets one', async () => {
  const before = serverPids();
  for (let turn = 0; turn < 3; turn += 1) {
    await window.command('Meaning: Restart the Server');
  }
  await eventually('one runs', () => serverPids().length === 1 && !before.includes(serverPids()[0] ?? 0));
  await eventually('it is ready', async () => /ready/.test(await window.status()));
  assert.equal(serverPids().length, 1);
  assert.equal(await window.notifications.count(), 0);
});

test('a second window on the same folder, beside another folder, shares the index', async () => {
  const second = await openWindow(await makeWorkspace(scratch, project));
  await second.trust();
  await eventually('it has a server', () => serverPids().length === 2);
  await eventually('it need not index', async () => /ready|reading another window/.test(await second.status()));
  await second.ask(QUESTION, 'harvest');
  await second.ask('leave the pier with all passengers', 'Depart');
  await second.button('Choose a Workspace Folder');
  await second.row('harbour').click();
  await second.title.filter({ hasText: 'harbour' }).waitFor();
  await eventually('only that folder is searched', async () =>
    (await second.seen()).every(({ description }) => description.includes('harbour/')),
  );
  await second.picture('second-window');
  await write(project, { 'python/barn.py': 'def stack_hay(bales):\n    """Pile up the hay bales in the barn."""\n' });
  await second.escape();
  await second.ask('pile up the hay', 'stack_hay');
  await window.ask('pile up the hay', 'stack_hay');
  await second.page.close();
});

test('a folder that is not trusted is indexed when the user says so, and its settings are not heeded', async () => {
  const folder = path.join(scratch, 'stranger');
  await makeStranger(folder);
  const others = serverPids();
  const stranger = await openWindow(folder);
  await stranger.page.locator('.part.banner', { hasText: 'Restricted Mode' }).waitFor();
  assert.match(await stranger.status(), /not running/);
  await stranger.press('Alt+KeyM');
  await stranger.page.locator('.monaco-dialog-box', { hasText: 'May it be indexed?' }).waitFor();
  await stranger.picture('untrusted');
  const isNew = (pid: number): boolean => !others.includes(pid);
  assert.ok(!serverPids().some(isNew));
  await stranger.answer('Index This Workspace');
  await eventually('it has a server', () => serverPids().some(isNew));
  await stranger.ask('make light in the lighthouse', 'light_lantern');
  await stranger.page.close();
});
