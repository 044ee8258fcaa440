/**
 * Cells: from a place in the text of a notebook's file, which is what the server tells, to a place in one of its cells.
 *
 * Reads JSON by its tokens, because JSON.parse does not say where anything stands. No VS Code in here.
 */

/** Lines and UTF-16 code units, from 0. */
export interface Place {
  line: number;
  character: number;
}

export interface PlaceInCell extends Place {
  cell: number;
}

/** A string of a cell's source: by habit one of its lines. `start` is the offset of its first character. */
interface Piece {
  cell: number;
  start: number;
  raw: string;
}

const TOKEN = /"((?:[^"\\]|\\.)*)"|[[\]{},]|[^\s[\]{},"]+/gs;
/** What stands for a text in JSON, as far as no character is cut in two. */
const WHOLE = /^(?:\\u[\da-f]{4}|\\[^u]|[^\\])*/is;
const LINE_END = /\r\n|\n|\r/g;

/** Return the place in a cell for one in the file; undefined when the text is no notebook, or one without text. */
export function cellAt(text: string, place: Place): PlaceInCell | undefined {
  const wanted = offsetOf(text, place);
  let last: Piece | undefined;
  let above = ''; // what the cell holds before its last piece
  for (const piece of pieces(text)) {
    if (last !== undefined && piece.start > wanted) {
      break;
    }
    above = piece.cell === last?.cell ? above + decode(last.raw) : '';
    last = piece;
  }
  if (last === undefined) {
    return undefined;
  }
  const before = above + decode(last.raw.slice(0, Math.max(0, wanted - last.start)));
  const lines = before.split(LINE_END);
  return { cell: last.cell, line: lines.length - 1, character: lines.at(-1)?.length ?? 0 };
}

function* pieces(text: string): Generator<Piece> {
  const path: (string | number)[] = []; // down to the value that comes next
  let before = '';
  for (const { 0: token, 1: raw, index } of text.matchAll(TOKEN)) {
    const at = path.at(-1);
    if (token === '{' || token === '[') {
      path.push(token === '{' ? '' : 0);
    } else if (token === '}' || token === ']') {
      path.pop();
    } else if (token === ',' && typeof at === 'number') {
      path[path.length - 1] = at + 1;
    } else if (raw !== undefined && typeof at === 'string' && /[{,]/.test(before)) {
      path[path.length - 1] = decode(raw);
    } else if (raw !== undefined && path[0] === 'cells' && path[2] === 'source' && path.length <= 4) {
      yield { cell: Number(path[1]), start: index + 1, raw };
    }
    before = token;
  }
}

function offsetOf(text: string, { line, character }: Place): number {
  let start = 0;
  for (const end of line === 0 ? [] : text.matchAll(LINE_END)) {
    start = end.index + end[0].length;
    line -= 1;
    if (line === 0) {
      break;
    }
  }
  return start + character;
}

/** Return what a string of JSON says, without its quotes. */
function decode(raw: string): string {
  const [whole = ''] = WHOLE.exec(raw) ?? [];
  try {
    return String(JSON.parse(`"${whole.replace(/[\t\r\n]/g, ' ')}"`));
  } catch {
    return whole; // no JSON, and so no notebook that could be shown
  }
}
