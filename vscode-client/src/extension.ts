/**
 * Activation: puts the parts together. Nothing here waits, so that starting the editor costs nothing.
 */
import * as vscode from 'vscode';

import { Server } from './server.js';

let server: Server | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel(vscode.l10n.t('Find Code by Meaning'), { log: true });
  server = new Server(context, log, {});
  context.subscriptions.push(
    log,
    vscode.commands.registerCommand('meaning.restart', () => server?.restart()),
    vscode.commands.registerCommand('meaning.openLog', () => {
      log.show();
    }),
  );
  void server.start();
}

export async function deactivate(): Promise<void> {
  await server?.stop();
}
