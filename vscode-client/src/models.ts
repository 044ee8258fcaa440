/**
 * Choosing a model: what the server thinks suits this machine, a download when it is wanted, the setting `meaning.model`.
 */
import * as vscode from 'vscode';

import type { Client } from './client.js';
import { ServerCommand, type ModelAdvice } from './protocol.js';

const { l10n } = vscode;

interface Choice extends vscode.QuickPickItem {
  choose: () => Promise<string | undefined>;
}

/** Let the user choose, bring the model here if it is not, and store the choice for this machine. */
export async function chooseModel(client: Client | undefined): Promise<void> {
  const settings = vscode.workspace.getConfiguration('meaning');
  const current = settings.get('model', 'auto');
  const choices: Choice[] = [
    { label: 'auto', description: l10n.t('what suits this machine'), choose: () => Promise.resolve('auto') },
    ...(client === undefined ? [] : await offered(client)),
    { label: l10n.t('A folder with a model…'), detail: 'model.onnx, tokenizer.json, model.toml', choose: chooseFolder },
  ];
  const title = l10n.t('Model: {0}', current);
  const placeHolder = l10n.t('With another model everything is compared anew; this takes as long as the first time.');
  const chosen = await vscode.window.showQuickPick(choices, { title, placeHolder });
  const model = await chosen?.choose();
  if (model !== undefined && model !== current) {
    await settings.update('model', model, vscode.ConfigurationTarget.Global);
  }
}

/** Return the models that are here, and the one that would be best. */
async function offered(client: Client): Promise<Choice[]> {
  const options = { location: vscode.ProgressLocation.Window, title: l10n.t('Looking which model suits this machine') };
  try {
    const { picked, installed, offer } = await vscode.window.withProgress(options, (_progress, token) =>
      run<ModelAdvice>(client, ServerCommand.models, [], token),
    );
    const here = installed.map((id) => ({
      label: id,
      description: id === picked ? l10n.t('installed, suits this machine best') : l10n.t('installed'),
      choose: () => Promise.resolve(id),
    }));
    const best = {
      label: picked,
      description: l10n.t('suits this machine best'),
      detail: offer,
      choose: () => pull(client, picked),
    };
    return installed.includes(picked) ? here : [best, ...here];
  } catch (error) {
    void vscode.window.showWarningMessage(error instanceof Error ? error.message : String(error));
    return [];
  }
}

/** Download a model; what is chosen by that is returned, undefined when it was cancelled or failed. */
async function pull(client: Client, id: string): Promise<string | undefined> {
  const title = l10n.t('Downloading {0}', id);
  const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
  return vscode.window.withProgress(options, async (_progress, token) => {
    try {
      return await run<string>(client, ServerCommand.pullModel, [id], token);
    } catch (error) {
      if (!token.isCancellationRequested) {
        void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
      }
      return undefined;
    }
  });
}

/** Have the server do something. The token is no choice: an undefined one would be sent as a second parameter. */
function run<T>(client: Client, command: string, args: unknown[], token: vscode.CancellationToken): Promise<T> {
  return client.sendRequest<T>('workspace/executeCommand', { command, arguments: args }, token);
}

async function chooseFolder(): Promise<string | undefined> {
  const [folder] = (await vscode.window.showOpenDialog({ canSelectFiles: false, canSelectFolders: true })) ?? [];
  return folder?.fsPath;
}
