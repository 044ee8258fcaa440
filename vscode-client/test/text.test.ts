import assert from 'node:assert/strict';
import { test } from 'node:test';

import { toMarkdown } from '../src/markdown.js';
import type { FolderStatus, SemanticSymbol } from '../src/protocol.js';
import { report } from '../src/report.js';
import { detailOf, iconOf, identity, placeOf, withoutIcons } from '../src/rows.js';
import { bar, describe, type ServerKind } from '../src/statusText.js';
import { asQuestion, labelled } from '../src/symbolPicker.js';

const range = { start: { line: 41, character: 4 }, end: { line: 43, character: 0 } };
const symbol: SemanticSymbol = {
  name: 'retry',
  kind: 6,
  containerName: 'Session',
  location: { uri: 'file:///a/b.py', range },
  selectionRange: range,
  score: 0.5,
  match: 'mixed',
  languageId: 'python',
  preview: 'def retry(self)',
  detail: 'Tries again.',
};
const folder: FolderStatus = {
  uri: 'file:///a',
  vectors: '',
  state: 'ready',
  mode: 'hybrid',
  filesDone: 10,
  filesTotal: 10,
  symbols: 100,
  embedded: 100,
  model: 'm',
  bytes: 1,
  lastUpdate: 0,
  skipped: [],
  skippedTotal: 0,
  writer: '',
};
const how = { meaning: 'meaning', words: 'words', name: 'name', mixed: 'both' };
const t = (message: string, ...parts: (string | number)[]): string =>
  message.replace(/\{(\d)\}/g, (_whole, place: string) => String(parts[Number(place)]));

// ---- rows

test('a row says where, what and why', () => {
  assert.equal(placeOf(symbol, 'a/b.py'), 'Session · a/b.py:42');
  assert.match(detailOf(symbol, how), /^\$\(sparkle\) both {2}Tries again\.$/);
  const { detail: _detail, containerName: _container, ...bare } = symbol;
  assert.match(detailOf(bare, how), /def retry\(self\)$/);
  assert.equal(placeOf(bare, 'a/b.py'), 'a/b.py:42');
  const cell = { ...bare, location: { uri: 'file:///a/b.ipynb', range } };
  assert.equal(placeOf(cell, 'a/b.ipynb'), 'a/b.ipynb', 'lines of its file say nothing');
});

test('code that looks like an icon stays code', () => {
  assert.ok(!/\$\(document\)/.test(withoutIcons('$(document).ready')));
  assert.equal(withoutIcons('$(document).ready').replaceAll('\u200b', ''), '$(document).ready');
  assert.equal(withoutIcons('costs $5 (net)'), 'costs $5 (net)');
});

test('each kind of symbol has an icon', () => {
  for (let kind = 1; kind <= 26; kind++) {
    assert.match(iconOf(kind).id, /^symbol-[a-z-]+$/);
    assert.match(iconOf(kind).color, /^symbolIcon\.[a-zA-Z]+Foreground$/);
  }
  assert.equal(iconOf(12).id, 'symbol-function');
  assert.equal(iconOf(99).id, 'symbol-misc');
});

test('rows are told apart by place', () => {
  const other = { ...symbol, selectionRange: { ...range, start: { line: 42, character: 4 } } };
  assert.notEqual(identity(symbol), identity(other));
  assert.equal(identity(symbol), identity({ ...symbol, score: 0.1 }));
});

// ---- Markdown

test('results are a list, grouped by file', () => {
  const text = toMarkdown('try again', [{ path: 'a/b.py', symbols: [symbol] }]);
  assert.equal(text, '### try again\n\n- `a/b.py`\n  - line 42, `Session.retry`: Tries again.\n');
});

test('marks in names and sentences do not break the list', () => {
  const odd = { ...symbol, name: 'a`b', detail: 'Takes *two*\nlines | <b>' };
  const text = toMarkdown('# title', [{ path: 'x`y.py', symbols: [odd] }]);
  assert.match(text, /^### \\# title\n/);
  assert.ok(text.includes('`` Session.a`b ``'));
  assert.ok(text.includes('Takes \\*two\\* lines \\| \\<b\\>'));
});

// ---- status

test('each state of the server has its words', () => {
  const kinds: ServerKind[] = ['stopped', 'preparing', 'starting', 'waiting', 'failed', 'running'];
  const texts = kinds.map((kind) => describe(kind, 'trouble', [folder], t).text);
  assert.equal(new Set(texts).size, kinds.length);
  assert.equal(describe('failed', 'trouble', [], t).detail, 'trouble');
  assert.equal(describe('failed', 'trouble', [], t).severity, 'error');
  assert.equal(describe('running', '', [], t).text, 'no folder');
  assert.equal(describe('running', '', undefined, t).text, 'starting', 'it has not told of its folders yet');
});

test('indexing is counted, files first and then what is understood', () => {
  const reading = describe('running', '', [{ ...folder, state: 'indexing', filesDone: 5, filesTotal: 2000 }], t);
  assert.equal(reading.text, 'indexing 5 of 2,000 files');
  assert.ok(reading.isBusy);
  const embedding = describe('running', '', [{ ...folder, state: 'indexing', embedded: 35 }], t);
  assert.equal(embedding.text, 'indexing 35 of 100 symbols');
  assert.match(embedding.detail, /35 %$/);
  const nothing = { ...folder, state: 'indexing', filesDone: 0, filesTotal: 0, symbols: 0, embedded: 0 } as const;
  assert.equal(describe('running', '', [nothing], t).text, 'looking for files');
});

test('the least ready folder speaks for all, and figures are sums', () => {
  const others: FolderStatus[] = [folder, { ...folder, state: 'paused', message: 'Stopped by a command.' }];
  assert.deepEqual(describe('running', '', others, t), {
    text: 'paused',
    detail: 'Stopped by a command.',
    severity: 'warning',
    isBusy: false,
  });
  assert.equal(describe('running', '', [folder, folder], t).detail, '200 symbols in 20 files');
});

test('words only is a warning, and ready is not', () => {
  assert.equal(describe('running', '', [{ ...folder, mode: 'words' }], t).severity, 'warning');
  assert.equal(describe('running', '', [folder], t).severity, 'information');
  assert.match(describe('running', '', [{ ...folder, state: 'reading' }], t).text, /another window/);
  assert.equal(describe('running', '', [{ ...folder, state: 'failed', message: 'No space.' }], t).severity, 'error');
});

test('bars are of one length', () => {
  const lengths = [-1, 0, 0.04, 0.5, 1, 2].map((share) => bar(share).length);
  assert.equal(new Set(lengths).size, 1);
  assert.equal(bar(0.5), '▰▰▰▰▰▱▱▱▱▱');
});

// ---- symbol search

test('names that VS Code would drop carry what was typed', () => {
  assert.equal(labelled('load_json', 'read'), 'load_json ⟵ read');
  assert.equal(labelled('ReadFile', 'read'), 'ReadFile');
  assert.equal(labelled('reload_all_data', 'read'), 'reload_all_data');
});

test('underscores and dots stand for blanks', () => {
  assert.equal(asQuestion('read_settings.from-disk'), 'read settings from disk');
  assert.equal(asQuestion('_ab_'), undefined);
  assert.equal(asQuestion(''), undefined);
});

// ---- report

test('the report names each folder and what was left out', () => {
  const skipped = [{ path: 'a|b.bin', reason: 'binary' }];
  const text = report({
    about: [['extension', '1']],
    folders: [{ ...folder, skipped, skippedTotal: 7 }],
    server: '# Title\n\nfine',
  });
  assert.ok(text.includes('## Folder file:///a'));
  assert.ok(text.includes('Left out (1 of 7)'));
  assert.ok(text.includes('| a\\|b.bin | binary |'));
  assert.ok(text.includes('## Title')); // one level below ours
});
