/**
 * Where the server comes from.
 *
 * Takes the extension's context, gives the command line that starts the server: the program that "meaning.server.path"
 * names, else the one of the environment in the extension's storage, which is made when it is missing or broken. Raises
 * ServerUnavailable with a sentence that tells the user what to do.
 *
 * The parts: `provide` says what is done when; `python` finds interpreters, `carried` is what the extension brings,
 * `store` keeps environments, `install` makes one by `run`ning programs, `failure` and `sentences` tell what went wrong.
 * This module and `sentences` alone know VS Code.
 */
import { homedir } from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import { readCarried } from './carried.js';
import { Failure, lastWords, understand } from './failure.js';
import { cleaned, type Step } from './install.js';
import { provide, type Wishes } from './provide.js';
import { isExecutable, which } from './python.js';
import { run } from './run.js';
import { say } from './sentences.js';
import { type Environment, Store } from './store.js';

export { ServerUnavailable } from './errors.js';

const { l10n } = vscode;

/** For a program to say its version, and for the Python extension to wake up, in milliseconds. */
const VERSION_TIME = 20_000;
const EXTENSION_TIME = 5_000;

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
 * vscode.CancellationError when `token` or the progress was cancelled.
 */
export async function resolveServer(
  context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
  token: vscode.CancellationToken,
  reason: 'start' | 'repair' = 'start',
): Promise<ServerProgram> {
  const stop = new AbortController();
  const listening = token.onCancellationRequested(() => {
    stop.abort();
  });
  const storage = path.join(context.globalStorageUri.fsPath, 'server');
  try {
    const named = vscode.workspace.getConfiguration('meaning').get('server.path', '').trim();
    return named === ''
      ? await fromStorage(context, storage, log, stop, reason)
      : await fromSetting(named, log, stop.signal);
  } catch (error) {
    if (stop.signal.aborted) {
      throw new vscode.CancellationError();
    }
    const failure = error instanceof Failure ? error : understand(String(error));
    log.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
    throw say(failure, storage);
  } finally {
    listening.dispose();
  }
}

/** The user's own program, after it has said that it is one. */
async function fromSetting(named: string, log: vscode.LogOutputChannel, signal: AbortSignal): Promise<ServerProgram> {
  const place = named.replace(/^~(?=[\\/])/, homedir());
  const [command] = path.isAbsolute(place) ? [place] : await which(place, process.env);
  if (command === undefined || !(await isExecutable(command))) {
    throw new Failure('bad-server-path', l10n.t('there is no program {0}', named));
  }
  const { how, code, output } = await run(command, ['--version'], { time: VERSION_TIME, signal });
  if (how === 'late') {
    throw new Failure('bad-server-path', l10n.t('{0} does not answer', command));
  }
  if (code !== 0 || !/^meaning-ls \d/m.test(output)) {
    throw new Failure('bad-server-path', l10n.t('{0} said "{1}"', command, lastWords(output)));
  }
  log.info(`using ${command} (meaning.server.path): ${output.trim()}`);
  return { command, args: ['--stdio'] };
}

/** The server of our own environment, which is made in view of the user when there is none that works. */
async function fromStorage(
  context: vscode.ExtensionContext,
  storage: string,
  log: vscode.LogOutputChannel,
  stop: AbortController,
  reason: 'start' | 'repair',
): Promise<ServerProgram> {
  const carried = await readCarried(context.asAbsolutePath(path.join('dist', 'server'))).catch((error: unknown) => {
    throw new Failure('packaged-without-server', String(error));
  });
  const wishes: Wishes = { reason, pythons: chosenPythons, show: (work) => show(work, stop) };
  const environment = await provide(wishes, {
    carried,
    store: new Store(storage, carried),
    env: cleaned(process.env, vscode.workspace.getConfiguration('http').get('proxy', '')),
    patience: 1,
    signal: stop.signal,
    log: (line) => {
      log.info(line);
    },
  });
  return start(environment);
}

/** Isolated: neither the folder it is started in nor the user's packages may come before the server's own. */
function start({ python }: Environment): ServerProgram {
  return {
    command: python,
    args: ['-I', '-m', 'lsp_server', '--stdio'],
    env: { PYTHONHOME: undefined, PYTHONPATH: undefined }, // its children are not isolated
  };
}

/** Show what is going on while it does, with a way to stop it. */
function show<Result>(work: (tell: (step: Step) => void) => Promise<Result>, stop: AbortController): Thenable<Result> {
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: l10n.t('Find Code by Meaning: installing the server'),
    cancellable: true,
  };
  return vscode.window.withProgress(options, async (progress, token) => {
    const listening = token.onCancellationRequested(() => {
      stop.abort();
    });
    try {
      return await work((step) => {
        progress.report({ message: describe(step) });
      });
    } finally {
      listening.dispose();
    }
  });
}

function describe(step: Step): string {
  switch (step.kind) {
    case 'waiting':
      return l10n.t('waiting for another window that does it');
    case 'python':
      return l10n.t('uv downloads Python');
    case 'environment':
      return l10n.t('Python {0}', step.python.version.join('.'));
    case 'packages':
      return step.name;
    case 'build':
      return l10n.t('building the search graph, half a minute');
    case 'check':
      return l10n.t('trying it out');
  }
}

/** The part that we use of the Python extension's interface. */
interface PythonExtension {
  environments?: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { path: string };
    resolveEnvironment(environment: { path: string }): Promise<{ executable: { uri?: vscode.Uri } } | undefined>;
  };
}

/** The interpreter that was chosen in the Python extension. In a folder that is not trusted it may be the folder's own. */
async function chosenPythons(): Promise<string[]> {
  const extension = vscode.extensions.getExtension<PythonExtension>('ms-python.python');
  if (extension === undefined || !vscode.workspace.isTrusted) {
    return [];
  }
  const asking = async (): Promise<string[]> => {
    const { environments } = await extension.activate();
    const chosen = environments?.getActiveEnvironmentPath(vscode.workspace.workspaceFolders?.[0]?.uri);
    const resolved = chosen && (await environments?.resolveEnvironment(chosen));
    return resolved?.executable.uri ? [resolved.executable.uri.fsPath] : [];
  };
  const nothing = new Promise<string[]>((resolve) =>
    setTimeout(() => {
      resolve([]);
    }, EXTENSION_TIME).unref(),
  );
  return Promise.race([asking().catch(() => []), nothing]);
}
