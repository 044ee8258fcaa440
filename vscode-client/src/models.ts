/**
 * Choosing a model: what the server's command line says of each model, and the setting `meaning.model`.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as vscode from 'vscode';

import type { ServerProgram } from './environment/index.js';
import { aboutModel, suitable, type Model, type Models } from './modelText.js';

const { l10n } = vscode;
/** Milliseconds: it may measure how fast this machine is. */
const PATIENCE = 60_000;

interface Choice extends vscode.QuickPickItem {
  choose: () => Promise<string | undefined>;
}

/** Let the user choose, bring the model here if it is not, and store the choice for this machine. */
export async function chooseModel(program: ServerProgram | undefined): Promise<void> {
  const settings = vscode.workspace.getConfiguration('meaning');
  const current = settings.get('model', 'auto');
  const offered = program === undefined ? undefined : await list(program);
  const choices: Choice[] = [
    {
      label: 'auto',
      description: l10n.t('what suits this machine'),
      detail: offered === undefined ? '' : l10n.t('at the moment: {0}', offered.picked),
      choose: () => Promise.resolve('auto'),
    },
    ...suitable(offered?.models ?? []).map((model) => ({
      label: model.id,
      description: aboutModel(model, l10n.t),
      detail: model.id === 'minilm-l6' ? l10n.t('comes with the extension') : '',
      choose: () => (program === undefined ? Promise.resolve(undefined) : bring(program, model)),
    })),
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

/** Ask for the models; undefined, after saying why, when they cannot be told. */
async function list(program: ServerProgram): Promise<Models | undefined> {
  const options = { location: vscode.ProgressLocation.Window, title: l10n.t('Looking which models suit this machine') };
  try {
    return await vscode.window.withProgress(options, async () => {
      const env = { ...process.env, ...program.env };
      const run = promisify(execFile)(program.command, words(program, '--json'), { env, timeout: PATIENCE });
      return JSON.parse((await run).stdout) as Models;
    });
  } catch (error) {
    void vscode.window.showWarningMessage(
      l10n.t('The models cannot be listed: {0}', error instanceof Error ? error.message : String(error)),
    );
    return undefined;
  }
}

/** Download a model that is not here, when the user agrees. Its id is returned when it can be used. */
async function bring(program: ServerProgram, model: Model): Promise<string | undefined> {
  if (model.installed.length > 0) {
    return model.id;
  }
  const download = l10n.t('Download');
  const size = model.megabytes.toFixed(0);
  const chosen = await vscode.window.showInformationMessage(
    l10n.t('{0} is not on this machine yet.', model.id),
    { modal: true, detail: l10n.t('{0} MB, licence {1}. Nothing of your code is sent anywhere.', size, model.licence) },
    download,
  );
  return chosen === download && (await pull(program, model)) ? model.id : undefined;
}

/** Download in a terminal, where it is seen and can be stopped. Returns whether it succeeded. */
async function pull(program: ServerProgram, model: Model): Promise<boolean> {
  const env = Object.fromEntries(
    Object.entries(program.env ?? {}).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
  const run = new vscode.ProcessExecution(program.command, words(program, 'pull', model.id), { env });
  const name = l10n.t('Download {0}', model.id);
  const task = new vscode.Task({ type: 'meaning-ls' }, vscode.TaskScope.Global, name, 'meaning-ls', run);
  task.presentationOptions = { reveal: vscode.TaskRevealKind.Always };
  const execution = await vscode.tasks.executeTask(task);
  return new Promise((resolve) => {
    const listener = vscode.tasks.onDidEndTaskProcess((event) => {
      if (event.execution === execution) {
        listener.dispose();
        resolve(event.exitCode === 0);
      }
    });
  });
}

/** Return the words of a `models` command beside the program that serves. */
function words(program: ServerProgram, ...rest: string[]): string[] {
  const before = program.args.filter((word) => word !== '--stdio' && word !== 'serve');
  const cache = vscode.workspace.getConfiguration('meaning').get<string>('cacheDir', '');
  return [...before, 'models', ...rest, ...(cache === '' ? [] : ['--cache-dir', cache])];
}

async function chooseFolder(): Promise<string | undefined> {
  const [folder] = (await vscode.window.showOpenDialog({ canSelectFiles: false, canSelectFolders: true })) ?? [];
  return folder?.fsPath;
}
