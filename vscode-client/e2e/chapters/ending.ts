/** What takes a minute, in which other chapters were told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
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
