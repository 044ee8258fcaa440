/**
 * The doctor's report: a document that says what runs, what is indexed and what is wrong, ready to be pasted.
 */
import * as vscode from 'vscode';

import { ServerCommand } from './protocol.js';
import { report } from './report.js';
import type { Server } from './server.js';
import type { Status } from './status.js';

const SCHEME = 'meaning-report';
const { l10n } = vscode;

export class Doctor implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly registration = vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);
  private text = '';

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly server: Server,
    private readonly status: Status,
  ) {}

  provideTextDocumentContent(): string {
    return this.text;
  }

  /** Write the report and show it. */
  async show(): Promise<void> {
    const options = { location: vscode.ProgressLocation.Window, title: l10n.t('Looking at the server') };
    const server = await vscode.window.withProgress(options, () => this.ofServer());
    const extension = this.context.extension.packageJSON as { version: string };
    const { state } = this.server;
    this.text = report({
      about: [
        ['extension', extension.version],
        ['editor', `${vscode.env.appName} ${vscode.version}`],
        ['remote', vscode.env.remoteName ?? 'no'],
        ['system', `${process.platform} ${process.arch}`],
        ['server', state.kind === 'failed' ? `failed: ${state.error.message}` : state.kind],
        [
          'server program',
          vscode.workspace.getConfiguration('meaning').get<string>('server.path', '') || 'comes with the extension',
        ],
        ['workspace', vscode.workspace.isTrusted ? 'trusted' : 'not trusted'],
      ],
      folders: this.status.folders.map((folder) => ({ ...folder, uri: vscode.Uri.parse(folder.uri).fsPath })),
      server,
    });
    // Another URI each time: of one that a former window left open, VS Code goes on saying that it cannot be found.
    const uri = vscode.Uri.from({ scheme: SCHEME, path: 'meaning-ls report.md', query: String(Date.now()) });
    await vscode.commands.executeCommand('markdown.showPreview', uri);
  }

  dispose(): void {
    this.registration.dispose();
  }

  private async ofServer(): Promise<string> {
    const { client } = this.server;
    if (client === undefined) {
      return l10n.t('The server does not run, so it cannot be asked. The log tells more: {0}', 'Meaning: Open the Log');
    }
    const commands = client.initializeResult?.capabilities.executeCommandProvider?.commands ?? [];
    if (!commands.includes(ServerCommand.doctor)) {
      return l10n.t('This version of the server makes no report of its own.');
    }
    try {
      return await client.sendRequest<string>('workspace/executeCommand', {
        command: ServerCommand.doctor,
        arguments: [],
      });
    } catch (error) {
      return l10n.t(
        'The server could not make its report: {0}',
        error instanceof Error ? error.message : String(error),
      );
    }
  }
}
