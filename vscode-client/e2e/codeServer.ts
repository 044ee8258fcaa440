/**
 * VS Code's workbench as a server: `code-server`, installed below `.cache` and run in a home of its own.
 *
 * Takes a scratch folder, gives the address at which a browser finds the workbench. Ends with all its processes.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export const CLIENT = path.dirname(__dirname);
export const CACHE = path.join(path.dirname(CLIENT), '.cache');
const HOME = path.join(CACHE, 'code-server');
/** Milliseconds. */
const START_TIME = 90_000;
const INSTALL_TIME = 300_000;

/** Node 24, which code-server needs whatever runs the tests, comes as a package for each platform. */
const NODE_PACKAGE = `node-${process.platform}-${process.arch}`;
const NODE_VERSION = '24.21.0';
const NODE = path.join(HOME, 'node_modules', NODE_PACKAGE, 'bin', 'node');
const ENTRY = path.join(HOME, 'node_modules', 'code-server', 'out', 'node', 'entry.js');

/** What the tests would otherwise have to click away, and nothing that is typed or saved by the editor itself. */
const SETTINGS = {
  'chat.disableAIFeatures': true,
  'editor.autoIndent': 'none',
  'editor.minimap.enabled': false,
  'extensions.autoCheckUpdates': false,
  'files.autoSave': 'off',
  'git.ignoreMissingGitWarning': true,
  'git.openRepositoryInParentFolders': 'never',
  'telemetry.telemetryLevel': 'off',
  'window.commandCenter': false,
  'workbench.colorTheme': 'Default Dark Modern',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
};

/** Install code-server unless that was done, half a minute and 800 MB. */
export async function installCodeServer(): Promise<void> {
  if (existsSync(ENTRY) && existsSync(NODE)) {
    return;
  }
  const partial = `${HOME}.partial`;
  await rm(partial, { recursive: true, force: true });
  await rm(HOME, { recursive: true, force: true });
  await mkdir(CACHE, { recursive: true });
  await cp(path.join(__dirname, 'code-server'), partial, { recursive: true });
  const modules = path.join(partial, 'node_modules');
  const node = path.join(modules, NODE_PACKAGE, 'bin');
  const vscode = path.join(modules, 'code-server', 'lib', 'vscode');
  const env = { ...process.env, PATH: `${node}${path.delimiter}${process.env['PATH'] ?? ''}` };
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund'];
  // Its parts say what they need and leave it to a script; scripts are not run, so this does what is wanted of it.
  for (const [folder, words] of [
    [partial, ['ci', ...quiet]],
    [partial, ['install', '--no-save', ...quiet, `${NODE_PACKAGE}@${NODE_VERSION}`]],
    [vscode, ['install', '--omit=dev', ...quiet]],
    [path.join(vscode, 'extensions'), ['install', '--omit=dev', ...quiet]],
  ] as const) {
    await execute('npm', [...words], { cwd: folder, env, timeout: INSTALL_TIME, maxBuffer: 2 ** 26 });
  }
  await rename(partial, HOME);
}

export class CodeServer {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
    readonly log: readonly string[],
  ) {}

  /** Start one whose user, settings and extensions lie in `folder`; `env` is laid over this process's environment. */
  static async start(folder: string, env: NodeJS.ProcessEnv = {}): Promise<CodeServer> {
    const words = ['--auth', 'none', '--bind-addr', '127.0.0.1:0', ...QUIET];
    const user = path.join(folder, 'user', 'User');
    await mkdir(user, { recursive: true });
    await writeFile(path.join(user, 'settings.json'), JSON.stringify(SETTINGS));
    // A group of its own, so that nothing outlives it.
    const options = { env: { ...homes(folder), ...env }, cwd: folder, detached: true };
    const child = spawn(NODE, [ENTRY, ...words, ...places(folder)], options);
    const log: string[] = [];
    const url = await new Promise<string>((resolve, reject) => {
      const clock = setTimeout(() => {
        reject(new Error(`code-server did not start:\n${log.join('\n')}`));
      }, START_TIME);
      for (const stream of [child.stdout, child.stderr]) {
        createInterface(stream).on('line', (line) => {
          log.push(line);
          const found = /HTTP server listening on (http:\S+\d)/.exec(line)?.[1];
          if (found !== undefined) {
            clearTimeout(clock);
            resolve(found);
          }
        });
      }
      child.once('exit', (code) => {
        clearTimeout(clock);
        reject(new Error(`code-server ended with ${String(code)}:\n${log.join('\n')}`));
      });
    });
    return new CodeServer(child, url, log);
  }

  /** Install an extension for those that are started with this folder. */
  static async installExtension(folder: string, vsix: string): Promise<void> {
    const words = [ENTRY, '--install-extension', vsix, '--force', ...QUIET, ...places(folder)];
    await execute(NODE, words, { env: homes(folder), timeout: INSTALL_TIME });
  }

  /** End it and all that it has started. */
  async stop(): Promise<void> {
    const { pid } = this.child;
    if (pid === undefined) {
      return;
    }
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      try {
        process.kill(-pid, signal);
      } catch {
        return; // all have ended
      }
      await sleep(2000);
    }
  }
}

const QUIET = ['--disable-telemetry', '--disable-update-check', '--disable-getting-started-override'];

function places(folder: string): string[] {
  return ['--user-data-dir', path.join(folder, 'user'), '--extensions-dir', path.join(folder, 'extensions')];
}

/** The environment of a user who lives in a folder. */
export function homes(folder: string): NodeJS.ProcessEnv {
  const names = ['HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_STATE_HOME', 'XDG_CACHE_HOME'];
  return { ...process.env, ...Object.fromEntries(names.map((name) => [name, path.join(folder, 'home', name)])) };
}
