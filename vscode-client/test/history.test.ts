import assert from 'node:assert/strict';
import { test } from 'node:test';

import { History, type Storage } from '../src/history.js';

function memory(values: Record<string, unknown> = {}): Storage {
  return {
    get: (key) => values[key],
    update: (key, value) => {
      values[key] = value;
      return Promise.resolve();
    },
  };
}

test('the newest question comes first and none is there twice', async () => {
  const history = new History(memory());
  for (const question of ['a', 'b', ' a ', '', '  ']) {
    await history.remember(question);
  }
  assert.deepEqual(history.questions, ['a', 'b']);
});

test('only some are kept', async () => {
  const history = new History(memory());
  for (let i = 0; i < 100; i++) {
    await history.remember(`question ${i}`);
  }
  assert.equal(history.questions.length, 20);
  assert.equal(history.questions[0], 'question 99');
});

test('one can be forgotten, and all', async () => {
  const history = new History(memory());
  await history.remember('a');
  await history.remember('b');
  await history.forget('b');
  assert.deepEqual(history.questions, ['a']);
  await history.forget();
  assert.deepEqual(history.questions, []);
});

test('whatever lies in the storage is survived', () => {
  for (const kept of ['text', 3, null, { a: 1 }, [1, 'a', null]]) {
    assert.ok(new History(memory({ recentQuestions: kept })).questions.every((one) => typeof one === 'string'));
  }
});
