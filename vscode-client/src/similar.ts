/**
 * Find Similar Code: what the user points at, as a sample that others are compared with.
 */
import * as vscode from 'vscode';

import type { Question } from './ask.js';
import { asWords } from './filters.js';
import { MAX_QUERY, SEMANTIC_SYMBOL, SIMILAR_SYMBOL, type SemanticSymbol } from './protocol.js';

const { l10n } = vscode;
const NAME_LENGTH = 40;

/** Code that others are compared with. */
export interface Sample {
  /** How it is called: a name, or the first line of a selection. */
  name: string;
  question: Question;
}

/** What the command is given: nothing, a row, or a place from a code action or another extension. */
export type Pointed = undefined | SemanticSymbol | { uri: string; range: { start: Point; end: Point } };

interface Point {
  line: number;
  character: number;
}

/** Make a sample of what the user points at; undefined, after saying why, when there is nothing. */
export function pointedAt(pointed: Pointed): Sample | undefined {
  if (pointed !== undefined && 'selectionRange' in pointed) {
    return sampleOf(pointed);
  }
  const editor = vscode.window.activeTextEditor;
  if (pointed !== undefined && 'range' in pointed && pointed.uri !== editor?.document.uri.toString()) {
    const params = { textDocument: { uri: pointed.uri }, range: pointed.range };
    return {
      name: vscode.workspace.asRelativePath(vscode.Uri.parse(pointed.uri)),
      question: { method: SIMILAR_SYMBOL, params },
    };
  }
  if (editor === undefined) {
    void vscode.window.showInformationMessage(
      l10n.t('Put the cursor into a symbol, or select code, to find similar code.'),
    );
    return undefined;
  }
  const { document, selection } = editor;
  return isIndexed(document) ? fromIndex(document, selection) : fromText(document, selection);
}

/** Make a sample of a row. */
export function sampleOf(symbol: SemanticSymbol): Sample {
  const params = { textDocument: { uri: symbol.location.uri }, range: symbol.selectionRange };
  return { name: symbol.name, question: { method: SIMILAR_SYMBOL, params } };
}

/** The server knows the files of the workspace, as they are typed: of anything else it is asked by what stands there. */
function isIndexed(document: vscode.TextDocument): boolean {
  return document.uri.scheme === 'file' && vscode.workspace.getWorkspaceFolder(document.uri) !== undefined;
}

function fromIndex(document: vscode.TextDocument, selection: vscode.Selection): Sample {
  const word = document.getWordRangeAtPosition(selection.active);
  const name = selection.isEmpty
    ? word === undefined
      ? l10n.t('Line {0}', selection.active.line + 1)
      : document.getText(word)
    : shortened(document.getText(selection));
  const params = { textDocument: { uri: document.uri.toString() }, range: selection };
  return {
    name,
    question: { method: SIMILAR_SYMBOL, params: { ...params, range: { start: selection.start, end: selection.end } } },
  };
}

function fromText(document: vscode.TextDocument, selection: vscode.Selection): Sample | undefined {
  const code = document.getText(selection.isEmpty ? document.lineAt(selection.active.line).range : selection);
  const query = asWords(code, MAX_QUERY);
  if (query === '') {
    void vscode.window.showInformationMessage(l10n.t('Select code to find similar code.'));
    return undefined;
  }
  return { name: shortened(code), question: { method: SEMANTIC_SYMBOL, params: { query } } };
}

function shortened(code: string): string {
  const line = code.split('\n').find((one) => one.trim() !== '')?.trim() ?? ''; // prettier-ignore
  return line.length > NAME_LENGTH ? `${line.slice(0, NAME_LENGTH)}…` : line;
}
