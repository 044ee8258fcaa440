/**
 * The server: brought here, started, watched, started again.
 *
 * Takes where the server comes from (environment/) and what the client shall do with its answers, gives the running
 * language client. One start at a time; whoever asks for another while one is under way gets one more, not many. A
 * server that crashes is started again with growing pauses. Shows one message when there is no way to go on.
 */
import * as vscode from 'vscode';
import type { Middleware } from 'vscode-languageclient';

import { Backoff } from './backoff.js';
import { Client, CloseAction, ErrorAction, RevealOutputChannelOn } from './client.js';
import { resolveServer, ServerUnavailable } from './environment/index.js';
import { startProcess, telling, type Ending, type ServerProcess } from './process.js';

/** Seconds until a server that says nothing is given up: a cold disk and a virus scanner may take half of them. */
const START_SECONDS = 60;
/** Milliseconds in which a process that broke a conversation has ended. */
const ENDING = 500;
/** Milliseconds for a goodbye. */
const STOP_TIMEOUT = 2_000;
/** Messages in a row that cannot be read before the server is started anew. */
const MAX_ERRORS = 3;

const { l10n } = vscode;

export type ServerState =
  | { kind: 'stopped' }
  | { kind: 'preparing' }
  | { kind: 'starting' }
  | { kind: 'running'; client: Client }
  | { kind: 'waiting'; seconds: number }
  | { kind: 'failed'; error: ServerUnavailable };

export class Server implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<ServerState>();
  /** Fires whenever `state` has changed. */
  readonly onDidChangeState = this.changed.event;

  private current: ServerState = { kind: 'stopped' };
  private readonly backoff = new Backoff();
  private process: ServerProcess | undefined;
  private loop: Promise<void> | undefined;
  private isWanted = false;
  private cancellation = new vscode.CancellationTokenSource();
  private told = '';

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly log: vscode.LogOutputChannel,
    private readonly middleware: Middleware,
  ) {}

  get state(): ServerState {
    return this.current;
  }

  /** The client, when it can be asked. */
  get client(): Client | undefined {
    return this.current.kind === 'running' ? this.current.client : undefined;
  }

  /** Start, or start anew; done when the server runs or failed. */
  restart(): Promise<void> {
    this.backoff.reset();
    this.told = '';
    return this.ask();
  }

  /** Start unless that was done already. */
  start(): Promise<void> {
    return this.current.kind === 'stopped' ? this.ask() : (this.loop ?? Promise.resolve());
  }

  /** Stop and stay stopped. */
  async stop(): Promise<void> {
    this.isWanted = false;
    this.cancellation.cancel();
    await this.loop;
    await this.end();
    this.set({ kind: 'stopped' });
  }

  /** Wait for a client that can be asked. Raises ServerUnavailable, and CancellationError when `token` was cancelled. */
  ready(token: vscode.CancellationToken): Promise<Client> {
    return new Promise((resolve, reject) => {
      const look = (state: ServerState): boolean => {
        if (state.kind === 'running') {
          resolve(state.client);
        } else if (state.kind === 'failed') {
          reject(state.error);
        } else {
          return false;
        }
        return true;
      };
      if (look(this.current)) {
        return;
      }
      if (this.current.kind === 'stopped') {
        reject(new ServerUnavailable(l10n.t('The server does not run.')));
        return;
      }
      const listeners = [
        this.onDidChangeState((state) => {
          if (look(state)) {
            vscode.Disposable.from(...listeners).dispose();
          }
        }),
        token.onCancellationRequested(() => {
          vscode.Disposable.from(...listeners).dispose();
          reject(new vscode.CancellationError());
        }),
      ];
    });
  }

  dispose(): void {
    void this.stop();
    this.changed.dispose();
  }

  private set(state: ServerState): void {
    this.current = state;
    this.changed.fire(state);
  }

  /** Have the loop begin (again). While it runs, asking many times is asking once. */
  private ask(): Promise<void> {
    this.isWanted = true;
    this.cancellation.cancel();
    if (this.client === undefined) {
      this.set({ kind: 'preparing' }); // at once, for those who wait
    }
    this.loop ??= this.run().finally(() => {
      this.loop = undefined;
    });
    return this.loop;
  }

  private async run(): Promise<void> {
    let reason: 'start' | 'repair' = 'start';
    while (this.isWanted) {
      this.isWanted = false;
      this.cancellation.dispose();
      this.cancellation = new vscode.CancellationTokenSource();
      const token = this.cancellation.token;
      await this.end();
      try {
        await this.begin(reason, token);
        reason = 'start';
      } catch (error) {
        await this.end();
        if (token.isCancellationRequested) {
          continue; // somebody else wants something else
        }
        if (error instanceof BrokenServer && reason === 'start') {
          this.log.warn(`${error.message} Looking whether it can be repaired.`);
          reason = 'repair';
          this.isWanted = true;
        } else {
          this.fail(error);
        }
      }
    }
  }

  private async begin(reason: 'start' | 'repair', token: vscode.CancellationToken): Promise<void> {
    this.set({ kind: 'preparing' });
    const program = await resolveServer(this.context, this.log, token, reason);
    if (token.isCancellationRequested) {
      throw new vscode.CancellationError();
    }
    this.set({ kind: 'starting' });
    this.log.info(`starting ${[program.command, ...program.args].join(' ')}`);
    let child: ServerProcess;
    try {
      child = await startProcess(program, (line) => {
        this.write(line);
      });
    } catch (error) {
      throw new BrokenServer(l10n.t('{0} cannot be started ({1}).', program.command, messageOf(error)));
    }
    this.process = child;
    const client = this.makeClient(child);
    try {
      await Promise.race([client.start(), silence(token), child.ended]);
    } catch (error) {
      if (error instanceof vscode.CancellationError) {
        throw error;
      }
      // The end of the process says more than what the client makes of it.
      const ending = await Promise.race([child.ended, pause(ENDING)]);
      throw ending === undefined ? error : new BrokenServer(explain(program.command, ending));
    }
    if (!client.isRunning()) {
      throw new BrokenServer(explain(program.command, await child.ended));
    }
    this.log.info('the server is ready');
    this.set({ kind: 'running', client });
    void child.ended.then((ending) => this.crashed(child, explain(program.command, ending)));
  }

  private makeClient(child: ServerProcess): Client {
    let errors = 0;
    return new Client(child, {
      documentSelector: [{ scheme: 'file' }],
      outputChannel: this.log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      initializationFailedHandler: () => false,
      errorHandler: {
        error: (_error, _message, count) => {
          errors = count ?? errors + 1;
          if (errors >= MAX_ERRORS) {
            child.kill();
          }
          return { action: ErrorAction.Continue, handled: true };
        },
        // A server whose output is closed cannot be talked to, even if its process goes on.
        closed: () => {
          child.kill();
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
      // Settings that name folders have the scope "machine" in package.json: no workspace can write them.
      initializationOptions: { machineScope: true },
      middleware: this.middleware,
    });
  }

  private async crashed(child: ServerProcess, sentence: string): Promise<void> {
    if (this.process !== child) {
      return; // it was told to end
    }
    this.log.error(sentence);
    const { current } = this;
    await this.end();
    if (this.current !== current) {
      return; // meanwhile somebody had it start anew, or stop
    }
    const seconds = this.backoff.next();
    if (seconds === undefined) {
      this.fail(new ServerUnavailable(l10n.t('The server keeps ending and is not started again. {0}', sentence)));
      return;
    }
    this.set({ kind: 'waiting', seconds });
    const timer = setTimeout(() => {
      if (this.current.kind === 'waiting') {
        void this.ask();
      }
    }, seconds * 1000);
    timer.unref();
  }

  /** End the process that runs, if any, politely and then for good. */
  private async end(): Promise<void> {
    const child = this.process;
    const client = this.client;
    this.process = undefined;
    if (child === undefined) {
      return;
    }
    try {
      await client?.dispose(STOP_TIMEOUT);
    } catch (error) {
      this.log.debug(`stopping: ${messageOf(error)}`);
    }
    child.kill();
    await child.ended;
  }

  private fail(error: unknown): void {
    const failure =
      error instanceof ServerUnavailable
        ? error
        : error instanceof vscode.CancellationError
          ? new ServerUnavailable(l10n.t('Starting the server was cancelled.'))
          : new ServerUnavailable(withAdvice(messageOf(error)));
    this.log.error(failure.message);
    this.set({ kind: 'failed', error: failure });
    if (!(error instanceof vscode.CancellationError)) {
      void this.tell(failure);
    }
  }

  /** Show what is wrong, once for the same trouble. */
  private async tell(failure: ServerUnavailable): Promise<void> {
    if (this.told === failure.message) {
      return;
    }
    this.told = failure.message;
    const again = l10n.t('Try Again');
    const open = l10n.t('Open Log');
    const titles = failure.remedies.map((remedy) => remedy.title);
    const chosen = await vscode.window.showErrorMessage(failure.message, ...titles, again, open);
    if (chosen === again) {
      await this.restart();
    } else if (chosen === open) {
      this.log.show();
    } else {
      const remedy = failure.remedies.find((one) => one.title === chosen);
      if (remedy !== undefined) {
        await vscode.commands.executeCommand(remedy.command, ...(remedy.arguments ?? []));
      }
    }
  }

  /** Pass on a line of the server's log, with its level. */
  private write(line: string): void {
    const found = /^\S+ \S+ (DEBUG|INFO|WARNING|ERROR|CRITICAL) (.*)$/.exec(line);
    const text = `server: ${found?.[2] ?? line}`;
    switch (found?.[1]) {
      case 'DEBUG':
        this.log.debug(text);
        break;
      case 'WARNING':
        this.log.warn(text);
        break;
      case 'ERROR':
      case 'CRITICAL':
        this.log.error(text);
        break;
      default:
        this.log.info(text);
    }
  }
}

/** The server ended before it said anything: what starts it may be broken. */
class BrokenServer extends Error {}

function explain(command: string, ending: Ending): string {
  if (ending.garbage !== undefined) {
    return l10n.t('{0} is no language server: it printed "{1}".', command, ending.garbage.slice(0, 80).trim());
  }
  const why = telling(ending.tail);
  return l10n.t('The server ended ({0}). {1}', String(ending.code), why);
}

/** Add what to do: a program of the user's own is for the user to correct. */
function withAdvice(sentence: string): string {
  const named = vscode.workspace.getConfiguration('meaning').get('server.path', '').trim();
  return named === ''
    ? l10n.t('The server does not run. {0} Try again; the log shows more.', sentence)
    : l10n.t('The server does not run. {0} Correct the setting "meaning.server.path", or remove it.', sentence);
}

function silence(token: vscode.CancellationToken): Promise<never> {
  return new Promise((_resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(l10n.t('The server did not answer within {0} seconds.', START_SECONDS)));
    }, START_SECONDS * 1000);
    timer.unref();
    token.onCancellationRequested(() => {
      clearTimeout(timer);
      reject(new vscode.CancellationError());
    });
  });
}

function pause(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds, undefined);
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
