import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backoff } from '../src/backoff.js';

test('pauses grow, and a server that keeps ending is given up', () => {
  const backoff = new Backoff(() => 0);
  const pauses = Array.from({ length: 6 }, () => backoff.next());
  assert.equal(pauses[5], undefined);
  const given = pauses.slice(0, 5) as number[];
  assert.deepEqual(
    given,
    given.toSorted((a, b) => a - b),
  );
  assert.ok(given.every((pause) => pause > 0));
});

test('a long quiet time is forgiving', () => {
  let now = 0;
  const backoff = new Backoff(() => now);
  const first = backoff.next();
  now = 10;
  assert.notEqual(backoff.next(), first);
  now = 1000;
  assert.equal(backoff.next(), first);
});
