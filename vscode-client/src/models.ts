/**
 * Choosing a model: the setting `meaning.model`, without having to know its values.
 */
import * as vscode from 'vscode';

const { l10n } = vscode;

interface Choice extends vscode.QuickPickItem {
  choose: () => Thenable<string | undefined> | string;
}

/** Let the user choose, and store the choice for this machine. */
export async function chooseModel(used: string): Promise<void> {
  const settings = vscode.workspace.getConfiguration('meaning');
  const current = settings.get('model', 'auto');
  const choices: Choice[] = [
    {
      label: 'auto',
      description: l10n.t('what suits this machine'),
      detail: used === '' ? '' : l10n.t('at the moment: {0}', used),
      choose: () => 'auto',
    },
    {
      label: l10n.t('A folder with a model…'),
      detail: l10n.t('model.onnx, tokenizer.json and model.toml'),
      choose: chooseFolder,
    },
    { label: l10n.t('A model by its id…'), detail: 'minilm-l6', choose: typeId },
  ];
  const title = l10n.t('Model: {0}', current);
  const placeHolder = l10n.t('With another model everything is compared anew; this takes as long as the first time.');
  const chosen = await vscode.window.showQuickPick(choices, { title, placeHolder });
  const model = await chosen?.choose();
  if (model !== undefined && model !== current) {
    await settings.update('model', model, vscode.ConfigurationTarget.Global);
  }
}

async function chooseFolder(): Promise<string | undefined> {
  const [folder] = (await vscode.window.showOpenDialog({ canSelectFiles: false, canSelectFolders: true })) ?? [];
  return folder?.fsPath;
}

function typeId(): Thenable<string | undefined> {
  return vscode.window.showInputBox({ prompt: l10n.t('Id of the model'), placeHolder: 'minilm-l6' });
}
