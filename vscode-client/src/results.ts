/**
 * The results view: answers that stay, grouped by file, to be worked through.
 */
import * as vscode from 'vscode';

import { ask, type Question } from './ask.js';
import { toMarkdown } from './markdown.js';
import { fileOf, open, pathOf } from './open.js';
import type { SemanticSymbol } from './protocol.js';
import { iconOf, lineOf, withoutIcons } from './rows.js';
import type { Server } from './server.js';

const VIEW = 'meaning.results';
const CONTEXT = 'meaning.hasResults';
const { l10n } = vscode;

/** A question and what it found. */
export interface Found {
  title: string;
  question: Question;
  symbols: readonly SemanticSymbol[];
}

interface File {
  uri: string;
  symbols: SemanticSymbol[];
}

type Node = File | SemanticSymbol;

export class Results implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.changed.event;

  private readonly view = vscode.window.createTreeView<Node>(VIEW, {
    treeDataProvider: this,
    showCollapseAll: true,
    canSelectMany: true,
  });
  private found: Found | undefined;
  private files: File[] = [];
  private refreshing: vscode.CancellationTokenSource | undefined;

  constructor(private readonly server: Server) {}

  /** Show an answer. */
  async show(found: Found): Promise<void> {
    this.refreshing?.cancel();
    this.take(found);
    await vscode.commands.executeCommand('setContext', CONTEXT, true);
    const [first] = this.files;
    if (first === undefined) {
      await vscode.commands.executeCommand(`${VIEW}.focus`);
    } else {
      await this.view.reveal(first.symbols[0] ?? first, { focus: true, select: true });
    }
  }

  /** Ask again, for files change. */
  async refresh(): Promise<void> {
    const { found } = this;
    if (found === undefined) {
      return;
    }
    this.refreshing?.cancel();
    const refreshing = (this.refreshing = new vscode.CancellationTokenSource());
    const options = { location: { viewId: VIEW } };
    await vscode.window.withProgress(options, async () => {
      try {
        const client = await this.server.ready(refreshing.token);
        const { symbols } = await ask(client, found.question, () => undefined, refreshing.token);
        this.take({ ...found, symbols });
      } catch (error) {
        if (!refreshing.token.isCancellationRequested) {
          this.view.message = error instanceof Error ? error.message : String(error);
        }
      }
    });
  }

  /** Take rows off the list: those of a command's arguments, or those that are selected. */
  dismiss(node?: Node, nodes?: readonly Node[]): void {
    const gone = new Set(this.meant(node, nodes));
    this.files = this.files
      .filter((file) => !gone.has(file))
      .map((file) => ({ ...file, symbols: file.symbols.filter((symbol) => !gone.has(symbol)) }))
      .filter((file) => file.symbols.length > 0);
    this.say();
  }

  async clear(): Promise<void> {
    this.refreshing?.cancel();
    this.found = undefined;
    this.files = [];
    this.say();
    await vscode.commands.executeCommand('setContext', CONTEXT, false);
  }

  /** Put rows into the clipboard as Markdown: those of a command's arguments, or those that are selected. */
  copy(node?: Node, nodes?: readonly Node[]): Promise<void> {
    return this.write(this.meant(node, nodes));
  }

  copyAll(): Promise<void> {
    return this.write(this.files);
  }

  async open(symbol: SemanticSymbol): Promise<void> {
    await open(symbol, vscode.ViewColumn.Active);
  }

  async openToSide(symbol: SemanticSymbol | undefined): Promise<void> {
    const [node] = this.meant(symbol);
    if (node !== undefined && !isFile(node)) {
      await open(node, vscode.ViewColumn.Beside);
    }
  }

  getTreeItem(node: Node): vscode.TreeItem {
    return isFile(node) ? fileItem(node) : symbolItem(node);
  }

  getChildren(node?: Node): Node[] {
    return node === undefined ? this.files : isFile(node) ? node.symbols : [];
  }

  getParent(node: Node): Node | undefined {
    return isFile(node) ? undefined : this.files.find((file) => file.symbols.includes(node));
  }

  dispose(): void {
    this.refreshing?.cancel();
    this.view.dispose();
    this.changed.dispose();
  }

  private meant(node?: Node, nodes?: readonly Node[]): readonly Node[] {
    return nodes ?? (node === undefined ? this.view.selection : [node]);
  }

  private async write(nodes: readonly Node[]): Promise<void> {
    const wanted = new Set(nodes);
    const groups = this.files
      .map((file) => ({
        path: pathOf(file.uri),
        symbols: wanted.has(file) ? file.symbols : file.symbols.filter((symbol) => wanted.has(symbol)),
      }))
      .filter((group) => group.symbols.length > 0);
    if (groups.length === 0) {
      return; // nothing is selected, and the clipboard is worth more than nothing
    }
    await vscode.env.clipboard.writeText(toMarkdown(this.found?.title ?? '', groups));
    vscode.window.setStatusBarMessage(l10n.t('Copied as Markdown'), 3_000);
  }

  private take(found: Found): void {
    this.found = found;
    const files = new Map<string, File>();
    for (const symbol of found.symbols) {
      const uri = fileOf(symbol.location.uri).toString();
      const file = files.get(uri) ?? { uri, symbols: [] };
      file.symbols.push(symbol);
      files.set(uri, file); // in the order of each file's best row
    }
    this.files = [...files.values()];
    this.say();
  }

  private say(): void {
    const rows = this.files.reduce((sum, file) => sum + file.symbols.length, 0);
    const count = rows === 0 ? l10n.t('nothing') : l10n.t('{0} results in {1} files', rows, this.files.length);
    this.view.message = this.found === undefined ? '' : `${this.found.title}: ${count}`;
    this.changed.fire(undefined);
  }
}

function isFile(node: Node): node is File {
  return 'symbols' in node;
}

function fileItem(file: File): vscode.TreeItem {
  const item = new vscode.TreeItem(vscode.Uri.parse(file.uri), vscode.TreeItemCollapsibleState.Expanded);
  item.description = true; // the folder, as VS Code shows it
  item.iconPath = vscode.ThemeIcon.File;
  item.contextValue = 'file';
  item.id = file.uri;
  return item;
}

function symbolItem(symbol: SemanticSymbol): vscode.TreeItem {
  const { id, color } = iconOf(symbol.kind);
  const item = new vscode.TreeItem(withoutIcons(symbol.name));
  item.description = [lineOf(symbol), symbol.containerName, symbol.detail ?? symbol.preview]
    .filter((part) => part !== undefined)
    .join(' · ');
  item.iconPath = new vscode.ThemeIcon(id, new vscode.ThemeColor(color));
  item.contextValue = 'symbol';
  item.tooltip = new vscode.MarkdownString()
    .appendCodeblock(symbol.preview, symbol.languageId)
    .appendText(symbol.detail ?? '');
  item.command = { command: 'meaning.results.open', title: l10n.t('Open'), arguments: [symbol] };
  return item;
}
