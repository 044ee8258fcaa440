/**
 * Activation: puts the parts together and gives each command to the part that does it.
 *
 * Nothing here waits, so that starting the editor costs nothing.
 */
import * as vscode from 'vscode';

import { foldersOnDisk } from './completions.js';
import { Doctor } from './doctor.js';
import { History } from './history.js';
import { makeMiddleware } from './middleware.js';
import { chooseModel } from './models.js';
import { ServerCommand, type SemanticSymbol } from './protocol.js';
import { Results } from './results.js';
import { Search, type Parts } from './search.js';
import { Server } from './server.js';
import { pointedAt, type Pointed } from './similar.js';
import { Status } from './status.js';
import { askLeave, isAllowed } from './trust.js';

const { l10n } = vscode;

let running: Server | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel('Find Code by Meaning', { log: true });
  const server: Server = new Server(
    context,
    log,
    makeMiddleware(() => server),
  );
  const status = new Status(server);
  const doctor = new Doctor(context, server, status);
  const parts: Parts = {
    context,
    server,
    status,
    history: new History(context.workspaceState),
    results: new Results(server),
  };
  running = server;
  context.subscriptions.push(log, server, status, doctor, parts.results);

  const on = (command: string, run: (...args: never[]) => unknown): void => {
    context.subscriptions.push(vscode.commands.registerCommand(`meaning.${command}`, run));
  };
  on('find', async (question?: string) => {
    if (await mayAsk(parts)) {
      new Search(parts).find(typeof question === 'string' ? question : '');
    }
  });
  on('find.openToSide', () => {
    Search.current?.openToSide();
  });
  on('findSimilar', (pointed?: Pointed) => findSimilar(parts, pointed));
  on('forgetQuestions', () => parts.history.forget());

  on('results.open', (symbol: SemanticSymbol) => parts.results.open(symbol));
  on('results.openToSide', (symbol?: SemanticSymbol) => parts.results.openToSide(symbol));
  on('results.refresh', () => parts.results.refresh());
  on('results.clear', () => parts.results.clear());
  on('results.dismiss', (node?: SemanticSymbol, nodes?: SemanticSymbol[]) => {
    parts.results.dismiss(node, nodes);
  });
  on('results.copy', (node?: SemanticSymbol, nodes?: SemanticSymbol[]) => parts.results.copy(node, nodes));
  on('results.copyAll', () => parts.results.copyAll());
  on('results.similar', (symbol: SemanticSymbol) => findSimilar(parts, symbol));

  on('showStatus', () => status.showMenu());
  on('pause', () => command(server, ServerCommand.pause));
  on('resume', () => command(server, ServerCommand.resume));
  on('reindex', () => command(server, ServerCommand.reindex));
  on('whyIndexed', () => explainFile(server));
  on('chooseModel', () => chooseModel(server.client));
  on('doctor', () => doctor.show());
  on('restart', () => restart(parts));
  on('openLog', () => {
    log.show();
  });
  on('openSettings', () =>
    vscode.commands.executeCommand('workbench.action.openSettings', '@ext:meaning-ls.meaning-ls'),
  );

  context.subscriptions.push(
    vscode.workspace.onDidGrantWorkspaceTrust(() => void startIfAllowed(parts)),
    vscode.workspace.onDidChangeWorkspaceFolders(() => void startIfAllowed(parts)),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration('meaning.server') && server.state.kind !== 'stopped') {
        void server.restart();
      }
    }),
  );
  void startIfAllowed(parts);
}

export async function deactivate(): Promise<void> {
  await running?.stop();
}

/** Start the server where there is something to search in and nobody has to be asked first. */
async function startIfAllowed({ context, server }: Parts): Promise<void> {
  if (foldersOnDisk().length > 0 && isAllowed(context)) {
    await server.start();
  }
}

async function restart(parts: Parts): Promise<void> {
  if (await askLeave(parts.context)) {
    await parts.server.restart();
  }
}

/** Return whether a question makes sense: there is a folder, and it may be indexed. */
async function mayAsk({ context, server }: Parts): Promise<boolean> {
  if (foldersOnDisk().length === 0) {
    const openFolder = l10n.t('Open Folder');
    const message = l10n.t('Open a folder to find code in it.');
    if ((await vscode.window.showInformationMessage(message, openFolder)) === openFolder) {
      await vscode.commands.executeCommand('workbench.action.files.openFolder');
    }
    return false;
  }
  if (!(await askLeave(context))) {
    return false;
  }
  void server.start();
  return true;
}

async function findSimilar(parts: Parts, pointed: Pointed): Promise<void> {
  const sample = (await mayAsk(parts)) ? pointedAt(pointed) : undefined;
  if (sample !== undefined) {
    new Search(parts).similar(sample);
  }
}

/** Have the server do something, as soon as it runs; say so where it cannot. */
async function command<T>(server: Server, name: string, ...args: unknown[]): Promise<T | undefined> {
  const options = { location: vscode.ProgressLocation.Window, title: l10n.t('Find Code by Meaning') };
  try {
    return await vscode.window.withProgress(options, async (_progress, token) => {
      const client = await server.ready(token);
      return client.sendRequest<T>('workspace/executeCommand', { command: name, arguments: args });
    });
  } catch (error) {
    const again = l10n.t('Restart the Server');
    const message = error instanceof Error ? error.message : String(error);
    const choices = server.client === undefined ? [again] : [];
    if ((await vscode.window.showWarningMessage(message, ...choices)) === again) {
      await vscode.commands.executeCommand('meaning.restart');
    }
    return undefined;
  }
}

async function explainFile(server: Server): Promise<void> {
  const uri = vscode.window.activeTextEditor?.document.uri;
  if (uri === undefined) {
    void vscode.window.showInformationMessage(l10n.t('Open a file to learn how much of it is indexed.'));
    return;
  }
  const sentence = await command<string>(server, ServerCommand.why, uri.toString());
  if (sentence !== undefined) {
    void vscode.window.showInformationMessage(sentence);
  }
}
