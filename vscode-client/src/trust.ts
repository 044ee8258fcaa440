/**
 * Whether a folder may be indexed: a trusted one always, another one when the user says so.
 *
 * Indexing reads files and runs nothing, but a parser is code that meets whatever a stranger wrote.
 */
import * as vscode from 'vscode';

const KEY = 'isIndexingAllowed';
const { l10n } = vscode;

export function isAllowed(context: vscode.ExtensionContext): boolean {
  return vscode.workspace.isTrusted || context.workspaceState.get(KEY, false);
}

/** Ask the user, unless it is clear already. The answer is kept for this workspace. */
export async function askLeave(context: vscode.ExtensionContext): Promise<boolean> {
  if (isAllowed(context)) {
    return true;
  }
  const yes = l10n.t('Index This Workspace');
  const manage = l10n.t('Manage Trust');
  const chosen = await vscode.window.showWarningMessage(
    l10n.t('You have not said that you trust this workspace. May it be indexed?'),
    {
      modal: true,
      detail: l10n.t(
        'Its files are read and taken apart on this machine; nothing in them is run, and its settings are not used.',
      ),
    },
    yes,
    manage,
  );
  if (chosen === manage) {
    await vscode.commands.executeCommand('workbench.trust.manage');
  } else if (chosen === yes) {
    await context.workspaceState.update(KEY, true);
  }
  return isAllowed(context);
}
