/**
 * Find Code by Meaning: the list under which a question is typed.
 *
 * Asks the server on each keystroke and gives up the question before, shows what words and names find at once and the
 * full answer as it comes, in the server's order. Looks at rows without going there, goes there on Enter, and puts
 * everything back on Escape. Similar code is shown in the same list, under a piece of code in place of a question.
 */
import * as vscode from 'vscode';

import { ask, type Question } from './ask.js';
import type { Client } from './client.js';
import { completionsOf, foldersOnDisk, isKnown } from './completions.js';
import { ServerUnavailable } from './environment/index.js';
import { begin, complete, has, TESTS, toggle, unfinished, write, type Key } from './filters.js';
import type { History } from './history.js';
import { open } from './open.js';
import { Preview } from './preview.js';
import { SEMANTIC_SYMBOL, SIMILAR_SYMBOL, type FolderStatus, type SemanticSymbolResult } from './protocol.js';
import type { Results } from './results.js';
import { SearchList } from './searchList.js';
import { buttons, rows, type Button, type Row } from './searchRows.js';
import type { Server } from './server.js';
import { sampleOf, type Sample } from './similar.js';
import type { Status } from './status.js';
import { describe, isWhole } from './statusText.js';

const { l10n } = vscode;

/** Rows of an answer: as far as anybody scrolls. */
const LIMIT = 50;
/** Milliseconds that a row has to stay before its file is shown: after a keystroke, and after an arrow key. */
const TYPING_PAUSE = 300;
const MOVING_PAUSE = 60;
/** True while the list is open, for the key that opens to the side. */
const CONTEXT = 'meaning.isSearching';
const WITHOUT_TESTS = 'withoutTests';

/** What the list needs of the rest of the extension. */
export interface Parts {
  context: vscode.ExtensionContext;
  server: Server;
  status: Status;
  history: History;
  results: Results;
}

export class Search implements vscode.Disposable {
  /** The one that is open, for commands that concern it. */
  static current: Search | undefined;

  private readonly list = new SearchList(() => this.parts.history.questions);
  private readonly pick = this.list.pick;
  private readonly preview = new Preview();
  private readonly here =
    vscode.window.activeNotebookEditor?.notebook.uri ?? vscode.window.activeTextEditor?.document.uri;
  private cancellation = new vscode.CancellationTokenSource();
  private samples: Sample[] = [];
  private folder: vscode.WorkspaceFolder | undefined;
  private typedAt = 0;
  private isDone = false;
  /** The answer that is shown rests on an index that was not whole. */
  private isProvisional = false;
  /** There is no answer because there is no server that gives one. */
  private isUnserved = false;
  private readonly listening: vscode.Disposable;

  constructor(private readonly parts: Parts) {
    this.listening = vscode.Disposable.from(
      parts.status.onDidChange((folders) => {
        this.askAgain(folders);
      }),
      parts.server.onDidChangeState(() => {
        if (this.isUnserved) {
          void this.change();
        }
      }),
    );
    this.pick.onDidChangeValue(() => {
      this.typedAt = Date.now();
      void this.change();
    });
    this.pick.onDidChangeActive(([row]) => {
      this.look(row);
    });
    this.pick.onDidAccept(() => void this.accept(this.list.active, vscode.ViewColumn.Active));
    this.pick.onDidTriggerButton((button) => void this.press(button as Button));
    this.pick.onDidTriggerItemButton(({ button, item }) => void this.pressRow((button as Button).does, item));
    this.pick.onDidHide(() => void this.leave());
  }

  /** Show the list with a question to begin with. */
  find(question = ''): void {
    this.show();
    this.pick.value = question;
    void this.change();
  }

  /** Show what is like a piece of code. */
  similar(sample: Sample): void {
    this.show();
    void this.push(sample);
  }

  /** Open the active row beside the editor. */
  openToSide(): void {
    void this.accept(this.list.active, vscode.ViewColumn.Beside);
  }

  dispose(): void {
    this.cancellation.cancel();
    this.cancellation.dispose();
    this.listening.dispose();
    this.list.dispose();
    this.preview.dispose();
  }

  private get sample(): Sample | undefined {
    return this.samples.at(-1);
  }

  private get isWithoutTests(): boolean {
    return this.parts.context.workspaceState.get(WITHOUT_TESTS, false);
  }

  private show(): void {
    Search.current?.pick.hide();
    Search.current = this;
    void vscode.commands.executeCommand('setContext', CONTEXT, true);
    this.pick.show();
  }

  // ---- asking

  /** Ask for what is typed now; 'again' replaces the rows once, when the answer is whole. */
  private async change(how: 'anew' | 'again' = 'anew'): Promise<void> {
    this.cancellation.cancel();
    this.cancellation.dispose();
    const cancellation = (this.cancellation = new vscode.CancellationTokenSource());
    const token = cancellation.token;
    this.pick.busy = true;
    this.isUnserved = false;
    this.describe();
    void this.completeTokens(token);
    try {
      const client = this.parts.server.client ?? (await this.wait(token));
      const keep: Parameters<typeof ask>[2] = (symbols) => {
        if (how === 'anew') {
          this.list.fill({ symbols, isConfident: true });
        }
      };
      this.answered(await ask(client, this.question(), keep, token));
    } catch (error) {
      if (!token.isCancellationRequested) {
        this.fail(error);
      }
    } finally {
      if (!token.isCancellationRequested) {
        this.pick.busy = false;
      }
    }
  }

  private async wait(token: vscode.CancellationToken): Promise<Client> {
    this.isUnserved = true;
    const { state } = this.parts.server;
    const notes =
      state.kind === 'failed' ? [] : [rows.note('sync~spin', describe(state.kind, '', [], l10n.t).text), rows.log()];
    this.list.fill({ notes, symbols: [] });
    const client = await this.parts.server.ready(token);
    this.isUnserved = false;
    this.list.fill({ notes: [] });
    return client;
  }

  private question(): Question {
    const filters = {
      limit: LIMIT,
      ...(this.isWithoutTests ? { exclude: [...TESTS] } : {}),
      ...(this.folder === undefined ? {} : { folders: [this.folder.uri.toString()] }),
    };
    if (this.sample !== undefined) {
      const { question } = this.sample;
      return question.method === SIMILAR_SYMBOL
        ? { method: SIMILAR_SYMBOL, params: { ...question.params, ...filters } }
        : { method: SEMANTIC_SYMBOL, params: { ...question.params, ...filters } };
    }
    const token = unfinished(this.pick.value);
    const query = token === undefined || isKnown(token) ? this.pick.value : this.pick.value.slice(0, token.start);
    const near = this.here === undefined ? {} : { textDocument: { uri: this.here.toString() } };
    return { method: SEMANTIC_SYMBOL, params: { query, ...near, ...filters } };
  }

  /** Ask the same again when there was nothing, and when the index has become whole. */
  private askAgain(folders: readonly FolderStatus[]): void {
    const isEmpty = this.list.content.symbols.length === 0;
    if (this.isProvisional && !this.pick.busy && (isEmpty || folders.every(isWhole))) {
      void this.change('again');
    }
  }

  private answered(result: SemanticSymbolResult): void {
    const { index, symbols } = result;
    const state = describe('running', '', [index], l10n.t);
    this.isProvisional = !isWhole(index);
    const nothing = this.isProvisional
      ? rows.note('sync~spin', l10n.t('Nothing found yet: {0}', state.text))
      : rows.note('info', l10n.t('Nothing found'));
    const message = index.message === undefined ? [] : [rows.note('info', index.message)];
    const isUnsure = !result.confident && symbols.length > 0 && this.pick.value.trim() !== '';
    this.describe(
      this.isProvisional || index.mode === 'words' ? state.text : '',
      isUnsure ? l10n.t('nothing is clearly about this') : '',
    );
    this.list.fill({
      notes: symbols.length > 0 ? [] : [nothing, ...message],
      symbols,
      isConfident: result.confident,
    });
  }

  private fail(error: unknown): void {
    this.isUnserved = true;
    const remedies = error instanceof ServerUnavailable ? error.remedies : [];
    const message = error instanceof Error ? error.message : String(error);
    const notes = [
      rows.note('error', message),
      ...remedies.map((remedy) => rows.command('arrow-right', remedy.title, remedy.command, remedy.arguments)),
      rows.command('debug-restart', l10n.t('Restart the server'), 'meaning.restart'),
      rows.log(),
    ];
    this.list.fill({ notes, symbols: [] });
  }

  private async completeTokens(token: vscode.CancellationToken): Promise<void> {
    const typed = this.sample === undefined ? unfinished(this.pick.value) : undefined;
    const completions = typed === undefined ? [] : await completionsOf(typed);
    const isSame = completions.length === 0 && this.list.content.completions.length === 0;
    if (!token.isCancellationRequested && !isSame) {
      this.list.fill({ completions });
    }
  }

  // ---- showing

  private describe(...notes: string[]): void {
    const of = this.sample === undefined ? 'question' : 'sample';
    const name = this.sample === undefined ? l10n.t('Find Code by Meaning') : l10n.t('Code Like {0}', this.sample.name);
    const tests = this.isWithoutTests ? l10n.t('without tests') : '';
    this.pick.title = [name, this.folder?.name ?? '', tests, ...notes].filter((part) => part !== '').join(' · ');
    this.pick.placeholder =
      of === 'question'
        ? l10n.t('What the code does, in your own words. Filters: kind: lang: in: path: name: changed: open:')
        : l10n.t('Type to narrow the list');
    const isChanged = has(this.pick.value, write('changed'));
    this.pick.buttons = buttons(of, { isChanged, isWithoutTests: this.isWithoutTests });
  }

  private look(row: Row | undefined): void {
    const isUnasked = this.sample === undefined && this.pick.value.trim() === '' && row === this.list.first;
    if (row?.symbol === undefined || isUnasked) {
      void this.preview.cancel();
    } else {
      const sinceTyping = Date.now() - this.typedAt;
      this.preview.show(row.symbol, Math.max(MOVING_PAUSE, TYPING_PAUSE - sinceTyping));
    }
  }

  // ---- doing

  private async accept(row: Row | undefined, where: vscode.ViewColumn): Promise<void> {
    if (row?.symbol !== undefined) {
      const { symbol } = row;
      this.isDone = true;
      this.remember();
      // What is opened to the side leaves this side as it was.
      await (where === vscode.ViewColumn.Beside ? this.preview.restore() : this.preview.cancel());
      this.pick.hide();
      await open(symbol, where);
    } else if (row?.value !== undefined) {
      const token = unfinished(this.pick.value);
      this.ask(token === undefined ? row.value : complete(this.pick.value, token, row.value));
    } else if (row !== undefined && 'folder' in row) {
      this.folder = row.folder;
      await this.change();
    } else if (row?.command !== undefined) {
      this.pick.hide();
      await vscode.commands.executeCommand(row.command.id, ...row.command.arguments);
    }
  }

  private remember(): void {
    if (this.sample === undefined) {
      void this.parts.history.remember(this.pick.value);
    }
  }

  /** Ask something as if it had been typed. */
  private ask(question: string): void {
    this.pick.value = question;
    void this.change();
  }

  private async press(button: Button): Promise<void> {
    switch (button.does) {
      case 'kind':
      case 'lang':
      case 'in':
        this.ask(begin(this.pick.value, button.does satisfies Key));
        break;
      case 'changed':
        this.ask(toggle(this.pick.value, write('changed')));
        break;
      case 'tests':
        await this.parts.context.workspaceState.update(WITHOUT_TESTS, !this.isWithoutTests);
        void this.change();
        break;
      case 'folder':
        this.chooseFolder();
        break;
      case 'back':
        this.samples.pop();
        this.pick.value = '';
        this.list.fill({ of: this.sample === undefined ? 'question' : 'sample' });
        void this.change();
        break;
      case 'results':
        await this.keepResults();
        break;
      default:
        break;
    }
  }

  private async pressRow(does: Button['does'], row: Row): Promise<void> {
    if (does === 'side') {
      await this.accept(row, vscode.ViewColumn.Beside);
    } else if (does === 'like' && row.symbol !== undefined) {
      await this.push(sampleOf(row.symbol));
    } else if (does === 'forget' && row.value !== undefined) {
      await this.parts.history.forget(row.value);
      this.list.fill();
    }
  }

  private async push(sample: Sample): Promise<void> {
    this.samples.push(sample);
    this.pick.value = '';
    this.list.fill({ completions: [], of: 'sample' });
    await this.change();
  }

  private async keepResults(): Promise<void> {
    this.isDone = true;
    this.remember();
    await this.preview.cancel();
    this.pick.hide();
    await this.parts.results.show({
      title: this.sample?.name ?? this.pick.value,
      question: this.question(),
      symbols: this.list.content.symbols,
    });
  }

  /** Offer the folders of a workspace that has several. */
  private chooseFolder(): void {
    this.cancellation.cancel();
    this.pick.busy = false;
    this.isProvisional = false;
    const notes = [rows.folder(undefined), ...foldersOnDisk().map((folder) => rows.folder(folder))];
    this.list.fill({ notes, symbols: [] });
  }

  private async leave(): Promise<void> {
    this.cancellation.cancel();
    if (Search.current === this) {
      Search.current = undefined;
      void vscode.commands.executeCommand('setContext', CONTEXT, false);
    }
    try {
      if (!this.isDone) {
        await this.preview.restore();
      }
    } finally {
      this.dispose();
    }
  }
}
