/**
 * Sentences: what a failure means to the user, and what to do about it.
 *
 * Takes a `Failure`, gives the error that is shown: one sentence and the buttons that help beside "Try Again" and the
 * log.
 */
import * as vscode from 'vscode';
import { ServerUnavailable, type Remedy } from './errors.js';
import type { Failure } from './failure.js';

const { l10n } = vscode;

/** Say a failure. `storage` is the folder that environments lie in. */
export function say({ kind, about }: Failure, storage: string): ServerUnavailable {
  const settings: Remedy = {
    title: l10n.t('Open Settings'),
    command: 'workbench.action.openSettings',
    arguments: ['meaning.server.path'],
  };
  const python: Remedy = {
    title: l10n.t('Get Python'),
    command: 'vscode.open',
    arguments: [vscode.Uri.parse('https://www.python.org/downloads/')],
  };
  switch (kind) {
    case 'no-python':
      return new ServerUnavailable(
        about
          ? l10n.t(
              'The server needs Python 3.11 or newer, and only this was found: {0}. Install a newer one, then try again.',
              about,
            )
          : l10n.t('The server needs Python 3.11 or newer, and none was found. Install one, then try again.'),
        [python, settings],
      );
    case 'no-venv':
      return new ServerUnavailable(
        l10n.t(
          'This Python cannot make virtual environments. Install what is missing (on Debian and Ubuntu: apt install python3-venv), then try again.',
        ),
        [python],
      );
    case 'no-network':
      return new ServerUnavailable(
        l10n.t(
          'The packages of the server could not be downloaded. Check the network and the setting "http.proxy", then try again; or install the package of this extension that carries everything.',
        ),
      );
    case 'certificate':
      return new ServerUnavailable(
        l10n.t(
          'The packages of the server could not be downloaded because a certificate is not trusted. Tell pip about yours (pip config set global.cert), then try again.',
        ),
      );
    case 'disk-full':
      return new ServerUnavailable(
        l10n.t(
          'The server could not be installed because the disk is full. Free about 500 MB where {0} lies, then try again.',
          storage,
        ),
      );
    case 'not-allowed':
      return new ServerUnavailable(
        l10n.t(
          'The server could not be installed because {0} cannot be written. Make it writable, then try again.',
          storage,
        ),
      );
    case 'no-package':
      return new ServerUnavailable(
        l10n.t(
          'There is no package of {0} for this Python on this machine. Install Python 3.11, 3.12, 3.13 or 3.14 (64 bits), then try again.',
          about,
        ),
        [python],
      );
    case 'took-too-long':
      return new ServerUnavailable(
        l10n.t(
          'Installing the server took too long and was stopped. Try again on a better connection; the log shows what it was waiting for.',
        ),
      );
    case 'does-not-work':
      return new ServerUnavailable(
        l10n.t(
          'The server was installed but does not work here ({0}). The log shows why; another Python may help.',
          about,
        ),
        [python, settings],
      );
    case 'bad-server-path':
      return new ServerUnavailable(
        l10n.t(
          'The setting "meaning.server.path" does not name a meaning-ls program: {0}. Correct it, or remove it to use the server that comes with the extension.',
          about,
        ),
        [settings],
      );
    case 'packaged-without-server':
      return new ServerUnavailable(
        l10n.t(
          'This build of the extension comes without the server. Install the published one, or set "meaning.server.path".',
        ),
        [settings],
      );
    case 'other':
      return new ServerUnavailable(
        l10n.t('The server could not be installed ({0}). The log shows more; then try again.', about),
      );
  }
}
