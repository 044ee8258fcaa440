/**
 * What the list under a question shows: completions, recent questions, sentences and offers, symbols.
 *
 * Takes what there is to show, piece by piece, and replaces the rows; whoever has moved away from the first row keeps
 * standing where they are. Knows neither how it comes about nor what becomes of the row that is chosen.
 */
import * as vscode from 'vscode';

import type { SemanticSymbol } from './protocol.js';
import { identity } from './rows.js';
import { rows, type Row } from './searchRows.js';

/** What is shown, from top to bottom. */
export interface Content {
  /** What the token that is being typed can be completed to. */
  completions: readonly string[];
  /** Sentences and offers. */
  notes: readonly Row[];
  symbols: readonly SemanticSymbol[];
  isConfident: boolean;
  /** Whether the symbols are like a sample: those are narrowed by what is typed, which is no question then. */
  of: 'question' | 'sample';
}

export class SearchList implements vscode.Disposable {
  readonly pick = vscode.window.createQuickPick<Row>();
  /** The row that was made active, and whether VS Code has said so since: before that, it speaks of the rows before. */
  private given: Row | undefined;
  private isGiven = true;
  /** The row that the user has gone to. */
  private goneTo: Row | undefined;
  private shown: Content = { completions: [], notes: [], symbols: [], isConfident: true, of: 'question' };

  /** `recent` gives the questions that are offered where none was typed yet. */
  constructor(private readonly recent: () => readonly string[]) {
    this.pick.matchOnDescription = false;
    this.pick.matchOnDetail = false;
    this.pick.keepScrollPosition = true;
    // Not in the API's types, but it is what keeps the server's order; where it is missing, VS Code's order is used.
    Object.assign(this.pick, { sortByLabel: false });
    this.pick.onDidChangeActive(([row]) => {
      if (this.isGiven) {
        this.goneTo = row;
      }
      this.isGiven ||= row === this.given;
    });
  }

  get content(): Content {
    return this.shown;
  }

  /** The row that would be chosen. */
  get active(): Row | undefined {
    return this.pick.activeItems[0];
  }

  /** The first symbol's row. */
  get first(): Row | undefined {
    return this.pick.items.find((row) => row.symbol !== undefined);
  }

  /** Show something else in the place of what is named, and the rest again. */
  fill(change: Partial<Content> = {}): void {
    const kept = this.movedTo();
    this.shown = { ...this.shown, ...change };
    const { completions, notes, symbols, isConfident, of } = this.shown;
    const isQuestion = of === 'question';
    const recent = isQuestion && this.pick.value === '' ? this.recent() : [];
    this.pick.items = [
      ...completions.map((value) => rows.completion(value)),
      ...rows.recent(recent),
      ...notes,
      ...rows.symbols(symbols, {
        isAlwaysShown: isQuestion,
        isRecent: isQuestion && this.pick.value.trim() === '',
        isConfident,
      }),
    ];
    // Of a folder that was chosen, the folders inside are offered, and Enter goes to what was found in it.
    const isChosen = this.pick.value.endsWith('/');
    this.goneTo =
      kept === undefined
        ? undefined
        : this.pick.items.find((row) => row.symbol !== undefined && identity(row.symbol) === kept);
    const first = isChosen
      ? this.first
      : this.pick.items.find((row) => row.kind !== vscode.QuickPickItemKind.Separator);
    const wanted = completions.length > 0 && !isChosen ? first : (this.goneTo ?? first);
    // What is narrowed by what is typed may not hold the first row any more.
    this.given = isQuestion || this.pick.value === '' ? wanted : this.goneTo;
    this.isGiven = this.given === undefined;
    if (this.given !== undefined) {
      this.pick.activeItems = [this.given];
    }
  }

  dispose(): void {
    this.pick.dispose();
  }

  /** Return the symbol to which the user has moved from the first one. Compared by place: row objects are replaced. */
  private movedTo(): string | undefined {
    const [active, first] = [this.goneTo?.symbol, this.first?.symbol];
    const isMoved = active !== undefined && first !== undefined && identity(active) !== identity(first);
    return isMoved ? identity(active) : undefined;
  }
}
