/**
 * Notebooks: places in the text of their files, which the server tells, become places in the cells that are shown.
 */
import * as vscode from 'vscode';
import type { Middleware } from 'vscode-languageclient';

import { cellAt, written } from './cells.js';

/** Those of which the server has other text than their files; see did_change_notebook and its neighbours there. */
const edited = new Set<string>();

/** Notes of which notebooks the server knows unsaved text. */
export const notebookMiddleware: NonNullable<Middleware['notebooks']> = {
  didOpen: (notebook, cells, next) => {
    edited.delete(notebook.uri.toString());
    return next(notebook, cells);
  },
  didChange: (event, next) => {
    edited.add(event.notebook.uri.toString());
    return next(event);
  },
  didSave: (notebook, next) => {
    edited.delete(notebook.uri.toString());
    return next(notebook);
  },
  didClose: (notebook, cells, next) => {
    edited.delete(notebook.uri.toString());
    return next(notebook, cells);
  },
};

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
    const text = edited.has(uri.toString()) ? textOf(notebook) : await fileOf(uri);
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

function textOf(notebook: vscode.NotebookDocument): string {
  return written(
    notebook.getCells().map(({ kind, document }) => ({
      isCode: kind === vscode.NotebookCellKind.Code,
      text: document.getText(),
    })),
  );
}

async function fileOf(uri: vscode.Uri): Promise<string> {
  return new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
}
