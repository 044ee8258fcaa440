import assert from 'node:assert/strict';
import { test } from 'node:test';

import { asWords, begin, complete, has, matching, toggle, unfinished, write } from '../src/filters.js';

test('a token at the end of a question is being typed', () => {
  assert.deepEqual(unfinished('parse a date kind:fu'), { key: 'kind', value: 'fu', start: 13 });
  assert.deepEqual(unfinished('lang:'), { key: 'lang', value: '', start: 0 });
  assert.deepEqual(unfinished('x -path:te'), { key: '-path', value: 'te', start: 2 });
  assert.deepEqual(unfinished('in:"my fol'), { key: 'in', value: 'my fol', start: 0 });
});

test('words, finished tokens and tokens without a value are not', () => {
  for (const question of ['', 'parse a date', 'kind:function ', 'changed:', 'open:', 'http://example', 'std::string', 'note: x']) {
    assert.equal(unfinished(question), undefined, question);
  } // prettier-ignore
});

test('a completed token lets the user go on typing', () => {
  const question = 'parse kind:fu';
  const token = unfinished(question);
  assert.ok(token);
  assert.equal(complete(question, token, 'function'), 'parse kind:function ');
});

test('the path of a folder can be gone into, and one with blanks is quoted', () => {
  const token = { key: 'in', value: 's', start: 0 } as const;
  assert.equal(complete('in:s', token, 'src/'), 'in:src/');
  assert.equal(complete('in:s', token, 'my src/'), 'in:"my src/"');
  assert.deepEqual(unfinished(complete('in:s', token, 'src/')), { key: 'in', value: 'src/', start: 0 });
});

test('what begins with the typed letters comes first, letter case aside', () => {
  assert.deepEqual(matching(['method', 'TypeScript', 'prototype', 'type'], 'TYPE'), [
    'TypeScript',
    'type',
    'prototype',
  ]);
  assert.deepEqual(matching(['a', 'b'], ''), ['a', 'b']);
  assert.deepEqual(matching(['a'], 'z'), []);
});

test('a token is switched on in front and off wherever it stands', () => {
  const changed = write('changed');
  assert.equal(toggle('parse dates', changed), 'changed: parse dates');
  assert.equal(toggle('parse changed: dates', changed), 'parse dates');
  assert.equal(toggle('', changed), 'changed: ');
  assert.ok(has('a changed: b', changed));
  assert.ok(!has('"changed: b"', changed));
  assert.ok(!has('unchanged: b', changed));
});

test('quoted words survive the switching of a token', () => {
  assert.equal(toggle('changed: say "hello  world"', write('changed')), 'say "hello  world"');
});

test('a token begins behind a blank', () => {
  assert.equal(begin('parse dates', 'kind'), 'parse dates kind:');
  assert.equal(begin('parse ', 'lang'), 'parse lang:');
  assert.equal(begin('', 'in'), 'in:');
});

test('code asks for nothing literally and holds no tokens', () => {
  const words = asWords('{"path": "a", kind:class}\n  open: yes', 100);
  assert.ok(!words.includes('"'));
  for (const word of words.split(/\s+/)) {
    assert.equal(unfinished(word), undefined, word);
    assert.notEqual(word, 'open:');
  }
  assert.equal(asWords('x'.repeat(50), 10), 'x'.repeat(10));
});
