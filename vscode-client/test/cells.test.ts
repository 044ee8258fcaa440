import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cellAt } from '../src/cells.js';

const SOURCES = ['# Harvest\n', '\n', 'What is ripe: "🍎", \\"pears\\", {brackets}\n', 'and more'];
const CODE = ['def pick(trees):\n', '    return "🍎" + trees\n'];

/** A notebook as Jupyter writes it, and as one line. */
const book = (indent: number | undefined, code: string | string[] = CODE): string =>
  JSON.stringify(
    {
      cells: [
        { cell_type: 'markdown', metadata: { tags: ['source', 'cells'] }, source: SOURCES },
        { cell_type: 'code', outputs: [{ text: ['def pick(trees):\n'] }], metadata: {}, source: code },
      ],
      metadata: { source: ['no cell'] },
    },
    null,
    indent,
  );

/** Where a text begins for the `turn`-th time, in lines and characters. */
function placeOf(text: string, wanted: string, turn = 0): { line: number; character: number } {
  let at = -1;
  for (let found = 0; found <= turn; found += 1) {
    at = text.indexOf(wanted, at + 1);
  }
  const lines = text.slice(0, at).split('\n');
  return { line: lines.length - 1, character: lines.at(-1)?.length ?? 0 };
}

test('a place in the file is one in a cell, however the file is laid out', () => {
  for (const text of [book(1), book(undefined), book(2, CODE.join('')), book(undefined, CODE.join(''))]) {
    assert.deepEqual(cellAt(text, placeOf(text, '# Harvest')), { cell: 0, line: 0, character: 0 });
    assert.deepEqual(cellAt(text, placeOf(text, 'pears')), { cell: 0, line: 2, character: 22 });
    assert.deepEqual(cellAt(text, placeOf(text, 'and more')), { cell: 0, line: 3, character: 0 });
    assert.deepEqual(cellAt(text, placeOf(text, 'pick(', 1)), { cell: 1, line: 0, character: 4 });
    assert.deepEqual(cellAt(text, placeOf(text, '+ trees')), { cell: 1, line: 1, character: 16 });
  }
});

test('what is no notebook has no cells', () => {
  for (const text of ['', '{', '[]', '{"cells": []}', '{"cells": [{"source": 3}]}', 'def pick(): "cells"', '"\\']) {
    assert.equal(cellAt(text, { line: 0, character: 3 }), undefined, text);
  }
});
