/** What takes a minute, in which other chapters were told, and what keeps the machine busy. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { makeVast } from '../project.js';
import { openWindow, scratch } from '../stage.js';
import { eventually } from '../workbench.js';
import { window } from './trouble.js';

test('a program that says nothing is given up, and told once', async () => {
  const message = window.notifications.filter({ hasText: 'did not answer within 60 seconds' });
  await message.waitFor({ timeout: 90_000 });
  assert.equal(await message.count(), 1);
  await window.picture('silent-given-up');
  await window.openList('Alt+KeyM');
  await window.row('did not answer within 60 seconds').waitFor();
  await window.escape();
});

test('a folder of 200,000 files can be asked while it is read, and nothing pops up', async () => {
  const folder = path.join(scratch, 'vast');
  makeVast(folder, 200_000);
  const vast = await openWindow(folder);
  await vast.trust();
  await eventually('it is looked at', async () => /looking for files|indexing/.test(await vast.status()));
  await vast.file('doorbell.py', 1); // what is open comes first
  await vast.ask('somebody is at the door', 'ring_doorbell');
  await vast.picture('vast');
  // Another branch, as far as the server can tell.
  await rm(path.join(folder, 'part-1'), { recursive: true });
  makeVast(path.join(folder, 'more'), 10_000);
  await vast.escape();
  await vast.ask('name:ring_doorbell', 'ring_doorbell');
  await vast.escape();
  assert.match(await vast.status(), /looking for files|indexing/); // which rests while the machine is busy
  assert.equal(await vast.notifications.count(), 0);
});
