/**
 * Notebooks: places in the text of their files, which the server tells, become places in the cells that are shown.
 */
import * as vscode from 'vscode';

import { cellAt } from './cells.js';

/** What VS Code calls the cells of a notebook, by the path of its file. */
export const CELL = 'vscode-notebook-cell';

/**
 * Return where in a cell a range of a notebook's file stands; undefined when the file is shown as text. Of a notebook
 * that was edited, the server names the cell itself.
 */
export async function toCell(
  uri: vscode.Uri,
  range: vscode.Range,
): Promise<{ uri: vscode.Uri; range: vscode.Range } | undefined> {
  if (uri.scheme === CELL) {
    return { uri, range };
  }
  if (!uri.path.endsWith('.ipynb')) {
    return undefined;
  }
  try {
    const notebook = await vscode.workspace.openNotebookDocument(uri);
    const text = new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
    const start = cellAt(text, range.start);
    const end = cellAt(text, range.end);
    if (start === undefined) {
      return undefined;
    }
    const last = end?.cell === start.cell ? end : start;
    return {
      uri: notebook.cellAt(start.cell).document.uri,
      range: new vscode.Range(start.line, start.character, last.line, last.character),
    };
  } catch {
    return undefined; // damaged, gone, or nothing is here that shows notebooks
  }
}
