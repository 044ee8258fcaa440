/**
 * Where the server comes from.
 *
 * Takes the extension's context, gives the command line that starts the server. Raises ServerUnavailable with a sentence
 * that tells the user what to do.
 */
import * as vscode from 'vscode';

import { ServerUnavailable } from './errors.js';

export { ServerUnavailable } from './errors.js';

/** How the server is started. */
export interface ServerProgram {
  command: string;
  args: string[];
  env?: NodeJS.ProcessEnv;
}

/**
 * Find the server, or bring it here.
 *
 * `reason` is 'repair' when the program that was given last could not be started. Raises ServerUnavailable, and
 * vscode.CancellationError when `token` was cancelled.
 */
export function resolveServer(
  _context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
  _token: vscode.CancellationToken,
  _reason: 'start' | 'repair' = 'start',
): Promise<ServerProgram> {
  const path = vscode.workspace.getConfiguration('meaning').get('server.path', '').trim();
  if (path !== '') {
    log.info(`using ${path} (meaning.server.path)`);
    return Promise.resolve({ command: path, args: ['serve', '--stdio'] });
  }
  return Promise.reject(new ServerUnavailable(vscode.l10n.t('Set "meaning.server.path" to the path of meaning-ls.')));
}
