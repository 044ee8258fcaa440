/**
 * The status: one line in VS Code's language status, and the menu behind it.
 */
import * as vscode from 'vscode';

import { foldersOnDisk } from './completions.js';
import { INDEX_STATUS, SEMANTIC_INDEX, type FolderStatus, type SemanticIndexResult } from './protocol.js';
import type { Server, ServerState } from './server.js';
import { describe, type StatusText } from './statusText.js';

const { l10n } = vscode;
const SEVERITIES = {
  information: vscode.LanguageStatusSeverity.Information,
  warning: vscode.LanguageStatusSeverity.Warning,
  error: vscode.LanguageStatusSeverity.Error,
} as const;

interface Choice extends vscode.QuickPickItem {
  command?: string;
}

export class Status implements vscode.Disposable {
  private readonly item = vscode.languages.createLanguageStatusItem('meaning.status', [
    { scheme: 'file' },
    { scheme: 'untitled' },
    { scheme: 'vscode-notebook-cell' },
  ]);
  private readonly disposables: { dispose(): unknown }[] = [this.item];
  private known: readonly FolderStatus[] | undefined;
  private readonly changed = new vscode.EventEmitter<readonly FolderStatus[]>();
  /** Fires when the server tells how its folders are. */
  readonly onDidChange = this.changed.event;

  constructor(private readonly server: Server) {
    this.item.name = l10n.t('Find Code by Meaning');
    this.disposables.push(
      this.changed,
      server.onDidChangeState((state) => {
        this.listen(state);
      }),
    );
    this.update();
  }

  /** What is known of each folder. */
  get folders(): readonly FolderStatus[] {
    return this.known ?? [];
  }

  /** Show what can be done now. */
  async showMenu(): Promise<void> {
    const isPaused = this.folders.some((folder) => folder.state === 'paused');
    const isRunning = this.server.client !== undefined;
    const choices: Choice[] = [
      { label: this.text().text, kind: vscode.QuickPickItemKind.Separator },
      { label: `$(search) ${l10n.t('Find Code by Meaning')}`, command: 'meaning.find' },
      ...(!isRunning ? [] : isPaused ? [{ label: `$(play) ${l10n.t('Resume Indexing')}`, command: 'meaning.resume' }] : [{ label: `$(debug-pause) ${l10n.t('Pause Indexing')}`, command: 'meaning.pause' }]),
      ...(isRunning ? [{ label: `$(refresh) ${l10n.t('Index Again')}`, description: l10n.t('looks at every file'), command: 'meaning.reindex' }] : []),
      { label: `$(chip) ${l10n.t('Choose a Model')}`, description: this.folders.find((folder) => folder.model !== '')?.model ?? '', command: 'meaning.chooseModel' },
      { label: `$(pulse) ${l10n.t('Doctor Report')}`, description: l10n.t('what is indexed, what is left out, what is wrong'), command: 'meaning.doctor' },
      { label: `$(output) ${l10n.t('Open the Log')}`, command: 'meaning.openLog' },
      { label: `$(debug-restart) ${l10n.t('Restart the Server')}`, command: 'meaning.restart' },
      { label: `$(gear) ${l10n.t('Settings')}`, command: 'meaning.openSettings' },
    ]; // prettier-ignore
    const { detail } = this.text();
    const chosen = await vscode.window.showQuickPick(choices, {
      title: l10n.t('Find Code by Meaning'),
      placeHolder: detail,
    });
    if (chosen?.command !== undefined) {
      await vscode.commands.executeCommand(chosen.command);
    }
  }

  dispose(): void {
    vscode.Disposable.from(...this.disposables).dispose();
  }

  private text(): StatusText {
    const { state } = this.server;
    const trouble =
      state.kind === 'failed'
        ? state.error.message
        : state.kind !== 'stopped'
          ? ''
          : foldersOnDisk().length === 0
            ? l10n.t('Open a folder to search in it.')
            : l10n.t('This workspace is not trusted and is indexed when you say so.');
    return describe(state.kind, trouble, this.known, l10n.t);
  }

  private listen(state: ServerState): void {
    this.known = undefined;
    if (state.kind === 'running') {
      const { client } = state;
      // Disposed with the client.
      client.onNotification(INDEX_STATUS, (status: SemanticIndexResult) => {
        this.take(status);
      });
      client.sendRequest<SemanticIndexResult>(SEMANTIC_INDEX).then(
        (status) => {
          this.take(status);
        },
        () => undefined,
      );
    }
    this.update();
  }

  private take(status: SemanticIndexResult): void {
    // None are told of before they are opened, a moment after the start.
    this.known = status.folders.length === 0 && foldersOnDisk().length > 0 ? undefined : status.folders;
    this.update();
    this.changed.fire(this.folders);
  }

  private update(): void {
    const { text, detail, severity, isBusy } = this.text();
    this.item.text = `$(search-fuzzy) ${l10n.t('Meaning: {0}', text)}`;
    this.item.detail = detail;
    this.item.severity = SEVERITIES[severity];
    this.item.busy = isBusy;
    this.item.command = { title: l10n.t('Actions'), command: 'meaning.showStatus' };
    this.item.accessibilityInformation = { label: `${l10n.t('Find Code by Meaning')}: ${text}. ${detail}` };
  }
}
