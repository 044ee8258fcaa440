/**
 * Find Code by Meaning: the list under which a question is typed.
 *
 * Asks the server on each keystroke and gives up the question before, shows what words and names find at once and the
 * full answer as it comes, in the server's order. Looks at rows without going there, goes there on Enter, and puts
 * everything back on Escape. Similar code is shown in the same list, under a piece of code in place of a question.
 */
import * as vscode from 'vscode';

import { ask, type Question } from './ask.js';
import { completionsOf, foldersOnDisk, isKnown } from './completions.js';
import { ServerUnavailable } from './environment/index.js';
import { begin, complete, has, TESTS, toggle, unfinished, write, type Key } from './filters.js';
import type { History } from './history.js';
import { open } from './open.js';
import { Preview } from './preview.js';
import {
  SEMANTIC_SYMBOL,
  SIMILAR_SYMBOL,
  type FolderStatus,
  type SemanticSymbol,
  type SemanticSymbolResult,
} from './protocol.js';
import type { Results } from './results.js';
import { identity } from './rows.js';
import { buttons, rows, type Button, type Row } from './searchRows.js';
import type { Server } from './server.js';
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

/** Code that others are compared with. */
export interface Sample {
  /** How it is called: a name, or "selection". */
  name: string;
  question: Question;
}

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

  private readonly list = vscode.window.createQuickPick<Row>();
  private readonly preview = new Preview();
  private readonly here = vscode.window.activeTextEditor?.document.uri;
  private cancellation = new vscode.CancellationTokenSource();
  private samples: Sample[] = [];
  private folder: vscode.WorkspaceFolder | undefined;
  private symbols: readonly SemanticSymbol[] = [];
  private isConfident = true;
  private completions: readonly string[] = [];
  private actions: readonly Row[] = [];
  private typedAt = 0;
  private isDone = false;
  /** The answer that is shown rests on an index that was not whole. */
  private isProvisional = false;
  private readonly listening: vscode.Disposable;

  constructor(private readonly parts: Parts) {
    this.listening = parts.status.onDidChange((folders) => {
      this.askAgain(folders);
    });
    this.list.matchOnDescription = false;
    this.list.matchOnDetail = false;
    this.list.keepScrollPosition = true;
    // Not in the API's types, but it is what keeps the server's order; where it is missing, VS Code's order is used.
    Object.assign(this.list, { sortByLabel: false });
    this.list.onDidChangeValue(() => {
      this.typedAt = Date.now();
      void this.change();
    });
    this.list.onDidChangeActive(([row]) => {
      this.look(row);
    });
    this.list.onDidAccept(() => void this.accept(this.list.activeItems[0], vscode.ViewColumn.Active));
    this.list.onDidTriggerButton((button) => void this.press(button as Button));
    this.list.onDidTriggerItemButton(({ button, item }) => void this.pressRow((button as Button).does, item));
    this.list.onDidHide(() => void this.leave());
  }

  /** Show the list with a question to begin with. */
  find(question = ''): void {
    this.show();
    this.list.value = question;
    void this.change();
  }

  /** Show what is like a piece of code. */
  similar(sample: Sample): void {
    this.show();
    void this.push(sample);
  }

  /** Open the active row beside the editor. */
  openToSide(): void {
    void this.accept(this.list.activeItems[0], vscode.ViewColumn.Beside);
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
    Search.current?.list.hide();
    Search.current = this;
    void vscode.commands.executeCommand('setContext', CONTEXT, true);
    this.list.show();
  }

  // ---- asking

  /** Ask for what is typed now; 'again' replaces the rows once, when the answer is whole. */
  private async change(how: 'anew' | 'again' = 'anew'): Promise<void> {
    this.cancellation.cancel();
    this.cancellation.dispose();
    const cancellation = (this.cancellation = new vscode.CancellationTokenSource());
    const token = cancellation.token;
    this.list.busy = true;
    this.describe();
    void this.completeTokens(token);
    try {
      const client = this.parts.server.client ?? (await this.wait(token));
      const question = this.question();
      const keep = (symbols: readonly SemanticSymbol[]): void => {
        if (how === 'anew') {
          this.fill(symbols, true);
        }
      };
      const result = await ask(client, question, keep, token);
      this.answered(result);
    } catch (error) {
      if (!token.isCancellationRequested) {
        this.fail(error);
      }
    } finally {
      if (!token.isCancellationRequested) {
        this.list.busy = false;
      }
    }
  }

  private async wait(token: vscode.CancellationToken): ReturnType<Server['ready']> {
    const { state } = this.parts.server;
    this.actions =
      state.kind === 'failed' ? [] : [rows.note('sync~spin', describe(state.kind, '', [], l10n.t).text), rows.log()];
    this.fill([], true);
    const client = await this.parts.server.ready(token);
    this.actions = [];
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
    const token = unfinished(this.list.value);
    const query = token === undefined || isKnown(token) ? this.list.value : this.list.value.slice(0, token.start);
    const near = this.here === undefined ? {} : { textDocument: { uri: this.here.toString() } };
    return { method: SEMANTIC_SYMBOL, params: { query, ...near, ...filters } };
  }

  /** Ask the same again when there was nothing, and when the index has become whole. */
  private askAgain(folders: readonly FolderStatus[]): void {
    if (this.isProvisional && !this.list.busy && (this.symbols.length === 0 || folders.every(isWhole))) {
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
    this.actions = symbols.length > 0 ? [] : [nothing, ...message];
    const isUnsure = !result.confident && symbols.length > 0 && this.list.value.trim() !== '';
    this.describe(
      this.isProvisional || index.mode === 'words' ? state.text : '',
      isUnsure ? l10n.t('nothing is clearly about this') : '',
    );
    this.fill(symbols, result.confident);
  }

  private fail(error: unknown): void {
    const remedies = error instanceof ServerUnavailable ? error.remedies : [];
    const message = error instanceof Error ? error.message : String(error);
    this.actions = [
      rows.note('error', message),
      ...remedies.map((remedy) => rows.command('arrow-right', remedy.title, remedy.command, remedy.arguments)),
      rows.command('debug-restart', l10n.t('Restart the server'), 'meaning.restart'),
      rows.log(),
    ];
    this.fill([], true);
  }

  // ---- showing

  private describe(...notes: string[]): void {
    const name = this.sample === undefined ? l10n.t('Find Code by Meaning') : l10n.t('Code Like {0}', this.sample.name);
    const tests = this.isWithoutTests ? l10n.t('without tests') : '';
    this.list.title = [name, this.folder?.name ?? '', tests, ...notes].filter((part) => part !== '').join(' · ');
    this.list.placeholder =
      this.sample === undefined
        ? l10n.t('What the code does, in your own words. Filters: kind: lang: in: path: name: changed: open:')
        : l10n.t('Type to narrow the list');
    const isChanged = has(this.list.value, write('changed'));
    this.list.buttons = buttons(this.sample === undefined ? 'question' : 'sample', {
      isChanged,
      isWithoutTests: this.isWithoutTests,
    });
  }

  /** Put rows into the list; whoever stood on one keeps standing there. */
  private fill(symbols: readonly SemanticSymbol[], isConfident: boolean): void {
    const kept = this.movedTo();
    this.symbols = symbols;
    this.isConfident = isConfident;
    const recent = this.sample === undefined && this.list.value === '' ? this.parts.history.questions : [];
    const isAlwaysShown = this.sample === undefined;
    this.list.items = [
      ...this.completions.map((value) => rows.completion(value)),
      ...rows.recent(recent),
      ...this.actions,
      ...rows.symbols(this.symbols, {
        isAlwaysShown,
        isRecent: this.list.value.trim() === '' && isAlwaysShown,
        isConfident: this.isConfident,
      }),
    ];
    const wanted =
      this.completions.length > 0
        ? this.list.items[0]
        : this.list.items.find((row) => row.symbol !== undefined && identity(row.symbol) === kept);
    // The first row is named, too: until VS Code has said what it made active, that would be a row of the list before.
    const first = isAlwaysShown
      ? this.list.items.find((row) => row.kind !== vscode.QuickPickItemKind.Separator)
      : undefined;
    const active = wanted ?? first;
    if (active !== undefined) {
      this.list.activeItems = [active];
    }
  }

  /** Return the row to which the user has moved away from the first one. Compared by place: row objects are replaced. */
  private movedTo(): string | undefined {
    const active = this.list.activeItems[0]?.symbol;
    const first = this.list.items.find((row) => row.symbol !== undefined)?.symbol;
    const isMoved = active !== undefined && first !== undefined && identity(active) !== identity(first);
    return isMoved ? identity(active) : undefined;
  }

  private async completeTokens(token: vscode.CancellationToken): Promise<void> {
    const typed = this.sample === undefined ? unfinished(this.list.value) : undefined;
    const found = typed === undefined ? [] : await completionsOf(typed);
    const isSame = found.length === 0 && this.completions.length === 0;
    if (!token.isCancellationRequested && !isSame) {
      this.completions = found;
      this.fill(this.symbols, this.isConfident);
    }
  }

  private look(row: Row | undefined): void {
    const isFirst = row === this.list.items.find((one) => one.symbol !== undefined);
    const isUnasked = this.sample === undefined && this.list.value.trim() === '' && isFirst;
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
      if (this.sample === undefined) {
        void this.parts.history.remember(this.list.value);
      }
      this.isDone = true;
      // What is opened to the side leaves this side as it was.
      await (where === vscode.ViewColumn.Beside ? this.preview.restore() : this.preview.cancel());
      this.list.hide();
      await open(symbol, where);
    } else if (row?.value !== undefined) {
      const token = unfinished(this.list.value);
      this.ask(token === undefined ? row.value : complete(this.list.value, token, row.value));
    } else if (row !== undefined && 'folder' in row) {
      this.folder = row.folder;
      await this.change();
    } else if (row?.command !== undefined) {
      this.list.hide();
      await vscode.commands.executeCommand(row.command.id, ...row.command.arguments);
    }
  }

  /** Ask something as if it had been typed. */
  private ask(question: string): void {
    this.list.value = question;
    void this.change();
  }

  private async press(button: Button): Promise<void> {
    switch (button.does) {
      case 'kind':
      case 'lang':
      case 'in':
        this.ask(begin(this.list.value, button.does satisfies Key));
        break;
      case 'changed':
        this.ask(toggle(this.list.value, write('changed')));
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
        this.list.value = '';
        void this.change();
        break;
      case 'results':
        this.isDone = true;
        await this.preview.cancel();
        this.list.hide();
        await this.parts.results.show({
          title: this.sample?.name ?? this.list.value,
          question: this.question(),
          symbols: this.symbols,
        });
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
      this.fill(this.symbols, this.isConfident);
    }
  }

  private async push(sample: Sample): Promise<void> {
    this.samples.push(sample);
    this.list.value = '';
    this.completions = [];
    await this.change();
  }

  /** Offer the folders of a workspace that has several. */
  private chooseFolder(): void {
    this.isProvisional = false;
    this.actions = [rows.folder(undefined), ...foldersOnDisk().map((folder) => rows.folder(folder))];
    this.fill([], true);
  }

  private async leave(): Promise<void> {
    this.cancellation.cancel();
    if (Search.current === this) {
      Search.current = undefined;
      void vscode.commands.executeCommand('setContext', CONTEXT, false);
    }
    if (!this.isDone) {
      await this.preview.restore();
    }
    this.dispose();
  }
}

/** Make a sample of a row. */
export function sampleOf(symbol: SemanticSymbol): Sample {
  const params = { textDocument: { uri: symbol.location.uri }, range: symbol.selectionRange };
  return { name: symbol.name, question: { method: SIMILAR_SYMBOL, params } };
}
