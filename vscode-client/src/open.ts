/**
 * Opening what was found: a place in a file that may have changed or gone since the answer.
 */
import * as vscode from 'vscode';

import { CELL, toCell } from './notebooks.js';
import type { SemanticSymbol } from './protocol.js';

/** Return a symbol's whole range, doc comment included. */
export function rangeOf(symbol: SemanticSymbol): vscode.Range {
  return toRange(symbol.location.range);
}

/** Return the range of a symbol's name. */
export function nameOf(symbol: SemanticSymbol): vscode.Range {
  return toRange(symbol.selectionRange);
}

/** Return a path as VS Code shows it: relative to its folder, with the folder's name when there are several. */
export function pathOf(uri: string): string {
  return vscode.workspace.asRelativePath(fileOf(uri));
}

/** Return the file of a place: of a cell, its notebook's. */
export function fileOf(uri: string): vscode.Uri {
  const place = vscode.Uri.parse(uri);
  return place.scheme === CELL ? place.with({ scheme: 'file', fragment: '' }) : place;
}

/** Open a symbol with the cursor on its name. Says so when its file has gone. */
export async function open(symbol: SemanticSymbol, where: vscode.ViewColumn): Promise<void> {
  const uri = vscode.Uri.parse(symbol.location.uri);
  const preview = vscode.workspace.getConfiguration('workbench.editor').get('enablePreviewFromQuickOpen', false);
  try {
    const cell = await toCell(uri, nameOf(symbol));
    if (cell !== undefined) {
      const { start } = cell.range;
      await showCell({ ...cell, range: new vscode.Range(start, start) }, { viewColumn: where, preview });
      return;
    }
    const document = await vscode.workspace.openTextDocument(uri);
    if (!document.isDirty) {
      await vscode.workspace.fs.stat(uri); // raises, where only the memory of a preview is left of it
    }
    const start = document.validatePosition(nameOf(symbol).start);
    await vscode.window.showTextDocument(document, {
      viewColumn: where,
      preview,
      selection: new vscode.Range(start, start),
    });
  } catch (error) {
    void vscode.window.showWarningMessage(await whyNot(uri, error));
  }
}

/** Show a notebook with a range of a cell selected. The command knows cells, which showTextDocument does not. */
export async function showCell(
  cell: { uri: vscode.Uri; range: vscode.Range },
  options: vscode.TextDocumentShowOptions,
): Promise<void> {
  await vscode.commands.executeCommand('vscode.open', cell.uri, { ...options, selection: cell.range });
}

async function whyNot(uri: vscode.Uri, error: unknown): Promise<string> {
  const path = vscode.workspace.asRelativePath(uri);
  const exists = await vscode.workspace.fs.stat(uri).then(
    () => true,
    () => false,
  );
  return exists
    ? vscode.l10n.t('{0} cannot be opened: {1}', path, error instanceof Error ? error.message : String(error))
    : vscode.l10n.t('{0} is no longer there; the index will notice in a moment.', path);
}

function toRange(range: SemanticSymbol['selectionRange']): vscode.Range {
  return new vscode.Range(range.start.line, range.start.character, range.end.line, range.end.character);
}
