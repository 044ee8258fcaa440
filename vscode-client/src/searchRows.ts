/**
 * The rows and buttons of the list in search.ts: what they look like and what they carry.
 */
import * as vscode from 'vscode';

import { foldersOnDisk } from './completions.js';
import { pathOf } from './open.js';
import type { Match, SemanticSymbol } from './protocol.js';
import { aboutOf, detailOf, iconOf, placeOf, withoutIcons } from './rows.js';

const { l10n } = vscode;

export interface Row extends vscode.QuickPickItem {
  symbol?: SemanticSymbol;
  /** What is typed when the row is chosen: a token's value or a recent question. */
  value?: string;
  command?: { id: string; arguments: readonly unknown[] };
  /** A workspace folder to search in; undefined for all. */
  folder?: vscode.WorkspaceFolder | undefined;
}

export interface Button extends vscode.QuickInputButton {
  does: 'kind' | 'lang' | 'in' | 'folder' | 'changed' | 'tests' | 'results' | 'back' | 'side' | 'like' | 'forget';
}

export const rows = {
  /** Symbols in the server's order, under what has to be said of them all. */
  symbols(
    symbols: readonly SemanticSymbol[],
    about: { isAlwaysShown: boolean; isRecent: boolean; isConfident: boolean },
  ): Row[] {
    if (symbols.length === 0) {
      return [];
    }
    const found = symbols.map((symbol) => rows.symbol(symbol, about));
    if (about.isRecent) {
      return [separator(l10n.t('changed last')), ...found];
    }
    return about.isConfident ? found : [separator(l10n.t('nearest misses')), ...found];
  },

  symbol(symbol: SemanticSymbol, about: { isAlwaysShown: boolean; isRecent: boolean }): Row {
    // In the label, where VS Code paints it in the colour of its kind.
    const { id } = iconOf(symbol.kind);
    return {
      label: `$(${id}) ${withoutIcons(symbol.name)}`,
      description: placeOf(symbol, pathOf(symbol.location.uri)),
      detail: about.isRecent ? aboutOf(symbol) : detailOf(symbol, howMatched()), // nothing was asked, so nothing matched
      alwaysShow: about.isAlwaysShown,
      buttons: [
        button('like', 'references', l10n.t('More Like This')),
        button('side', 'split-horizontal', l10n.t('Open to the Side')),
      ],
      symbol,
    };
  },

  recent(questions: readonly string[]): Row[] {
    if (questions.length === 0) {
      return [];
    }
    const buttons = [button('forget', 'close', l10n.t('Forget This Question'))];
    const icon = new vscode.ThemeIcon('history');
    const found = questions.map((value) => ({ label: value, iconPath: icon, alwaysShow: true, buttons, value }));
    return [separator(l10n.t('recent questions')), ...found];
  },

  completion(value: string): Row {
    return { label: value, iconPath: new vscode.ThemeIcon('filter'), alwaysShow: true, value };
  },

  folder(folder: vscode.WorkspaceFolder | undefined): Row {
    const icon = new vscode.ThemeIcon(folder === undefined ? 'root-folder' : 'folder');
    return { label: folder?.name ?? l10n.t('All folders'), iconPath: icon, alwaysShow: true, folder };
  },

  command(icon: string, label: string, id: string, args: readonly unknown[] = []): Row {
    return { label, iconPath: new vscode.ThemeIcon(icon), alwaysShow: true, command: { id, arguments: args } };
  },

  log(): Row {
    return rows.command('output', l10n.t('Open the log'), 'meaning.openLog');
  },

  /** A sentence; choosing it does nothing. */
  note(icon: string, label: string): Row {
    return { label, iconPath: new vscode.ThemeIcon(icon), alwaysShow: true };
  },
};

/** Return the buttons of the list, for a question in words or for a sample of code. */
export function buttons(of: 'question' | 'sample', on: { isChanged: boolean; isWithoutTests: boolean }): Button[] {
  const tests = on.isWithoutTests
    ? button('tests', 'beaker-stop', l10n.t('Show Tests Again'))
    : button('tests', 'beaker', l10n.t('Leave Out Tests'));
  const results = button('results', 'list-tree', l10n.t('Show All in the Results View'));
  const folder =
    foldersOnDisk().length > 1 ? [button('folder', 'root-folder', l10n.t('Choose a Workspace Folder'))] : [];
  if (of === 'sample') {
    return [button('back', 'arrow-left', l10n.t('Back')), ...folder, tests, results];
  }
  return [
    button('kind', 'symbol-class', l10n.t('Filter by Kind')),
    button('lang', 'code', l10n.t('Filter by Language')),
    button('in', 'folder', l10n.t('Filter by Folder')),
    ...folder,
    on.isChanged
      ? button('changed', 'git-commit', l10n.t('Show All Files Again'))
      : button('changed', 'git-compare', l10n.t('Changed Files Only')),
    tests,
    results,
  ];
}

/** How a row matched, in words. */
function howMatched(): Record<Match, string> {
  return {
    meaning: l10n.t('meaning'),
    words: l10n.t('words'),
    name: l10n.t('name'),
    mixed: l10n.t('meaning and words'),
  };
}

function separator(label: string): Row {
  return { label, kind: vscode.QuickPickItemKind.Separator };
}

function button(does: Button['does'], icon: string, tooltip: string): Button {
  return { does, iconPath: new vscode.ThemeIcon(icon), tooltip };
}
