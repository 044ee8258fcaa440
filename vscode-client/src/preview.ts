/**
 * Looking at a row without going there: its file is shown with the symbol marked, and everything can be put back.
 */
import * as vscode from 'vscode';

import { toCell } from './notebooks.js';
import { nameOf, rangeOf, showCell } from './open.js';
import type { SemanticSymbol } from './protocol.js';

export class Preview implements vscode.Disposable {
  private readonly origin = new Origin();
  private readonly whole = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    backgroundColor: new vscode.ThemeColor('editor.rangeHighlightBackground'),
    overviewRulerColor: new vscode.ThemeColor('editorOverviewRuler.rangeHighlightForeground'),
    overviewRulerLane: vscode.OverviewRulerLane.Full,
  });
  private readonly name = vscode.window.createTextEditorDecorationType({
    backgroundColor: new vscode.ThemeColor('editor.findMatchHighlightBackground'),
    borderRadius: '2px',
  });
  private timer: NodeJS.Timeout | undefined;
  private turn = 0;
  private shown: vscode.TextEditor | undefined;
  private hasShown = false;
  private presenting = Promise.resolve();
  private readonly options = { viewColumn: this.origin.viewColumn, preserveFocus: true, preview: true };

  /** Show a symbol after some milliseconds; the last one asked for wins. */
  show(symbol: SemanticSymbol, delay: number): void {
    clearTimeout(this.timer);
    const turn = ++this.turn;
    this.timer = setTimeout(() => {
      this.presenting = this.presenting.then(() => this.present(symbol, turn));
    }, delay);
  }

  /** Show nothing new; done when what was under way is over. */
  cancel(): Promise<void> {
    clearTimeout(this.timer);
    this.turn++;
    return this.presenting;
  }

  /** Go back to where the user was. */
  async restore(): Promise<void> {
    await this.cancel();
    if (this.hasShown) {
      await this.origin.restore();
    }
  }

  dispose(): void {
    void this.cancel();
    this.whole.dispose();
    this.name.dispose();
  }

  private async present(symbol: SemanticSymbol, turn: number): Promise<void> {
    if (turn !== this.turn) {
      return;
    }
    const uri = vscode.Uri.parse(symbol.location.uri);
    try {
      const cell = await toCell(uri, nameOf(symbol));
      if (cell === undefined) {
        await this.showText(await vscode.workspace.openTextDocument(uri), symbol, turn);
      } else if (turn === this.turn) {
        this.hasShown = true;
        await showCell(cell, this.options);
      }
    } catch {
      // Gone, binary or too large: there is nothing to look at, and whoever opens it is told why.
    }
  }

  private async showText(document: vscode.TextDocument, symbol: SemanticSymbol, turn: number): Promise<void> {
    if (turn !== this.turn) {
      return;
    }
    this.hasShown = true;
    const editor = await vscode.window.showTextDocument(document, this.options);
    if (turn !== this.turn) {
      return;
    }
    this.shown?.setDecorations(this.whole, []);
    this.shown?.setDecorations(this.name, []);
    this.shown = editor;
    editor.setDecorations(this.whole, [rangeOf(symbol)]);
    editor.setDecorations(this.name, [nameOf(symbol)]);
    editor.revealRange(nameOf(symbol), vscode.TextEditorRevealType.InCenter); // below the list
  }
}

/** Where the user was when looking began. */
class Origin {
  private readonly tab = vscode.window.tabGroups.activeTabGroup.activeTab;
  readonly viewColumn = vscode.window.tabGroups.activeTabGroup.viewColumn;
  /** Of a file: its editor. What VS Code calls the active one may be a side of a comparison, or the log. */
  private readonly editor = vscode.window.visibleTextEditors.find(
    ({ document, viewColumn }) => viewColumn === this.viewColumn && document.uri.toString() === uriOf(this.tab),
  );
  private readonly notebook = vscode.window.activeNotebookEditor;
  private readonly selections = this.editor?.selections ?? [];
  private readonly top = this.editor?.visibleRanges[0];
  /** The files that were open, so that ours can be closed again. */
  private readonly open = new Set(vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs.map(uriOf)));

  async restore(): Promise<void> {
    const input: unknown = this.tab?.input;
    const options = { viewColumn: this.viewColumn, preview: this.tab?.isPreview ?? false };
    if (this.notebook !== undefined) {
      const { notebook, selections } = this.notebook;
      await vscode.window.showNotebookDocument(notebook, { viewColumn: this.viewColumn, selections });
    } else if (this.editor !== undefined) {
      // By its URI: a document whose preview tab was taken over is closed, and opened again here.
      const editor = await vscode.window.showTextDocument(this.editor.document.uri, options);
      editor.selections = this.selections;
      if (this.top !== undefined) {
        editor.revealRange(this.top, vscode.TextEditorRevealType.AtTop);
      }
    } else if (input instanceof vscode.TabInputTextDiff) {
      await vscode.commands.executeCommand('vscode.diff', input.original, input.modified, this.tab?.label, options);
    } else if (input instanceof vscode.TabInputCustom) {
      await vscode.commands.executeCommand('vscode.openWith', input.uri, input.viewType, options);
    }
    const ours = vscode.window.tabGroups.all
      .flatMap(({ tabs }) => tabs)
      .filter((tab) => tab.isPreview && uriOf(tab) !== '' && !this.open.has(uriOf(tab)));
    await vscode.window.tabGroups.close(ours, true);
  }
}

function uriOf(tab: vscode.Tab | undefined): string {
  const input: unknown = tab?.input;
  const isFile = input instanceof vscode.TabInputText || input instanceof vscode.TabInputNotebook;
  return isFile ? input.uri.toString() : '';
}
