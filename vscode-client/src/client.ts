/**
 * The language client: vscode-languageclient over the pipes of a process that was started elsewhere.
 *
 * Its class for Node starts processes in a dozen ways, none of which sees what a program prints that is no server
 * (process.ts does), and is large; so the class below it is taken. Its troubles go into the log: server.ts says what the
 * user has to know, once.
 */
import { BaseLanguageClient } from 'vscode-languageclient/lib/common/api';
import type { InitializeParams, LanguageClientOptions, MessageTransports } from 'vscode-languageclient';
import { StreamMessageReader, StreamMessageWriter } from 'vscode-languageserver-protocol/node';

import type { ServerProcess } from './process.js';

export { CloseAction, ErrorAction, ProgressType, RevealOutputChannelOn } from 'vscode-languageclient/lib/common/api';

export class Client extends BaseLanguageClient {
  constructor(
    private readonly server: ServerProcess,
    options: LanguageClientOptions,
  ) {
    super('meaning-ls', 'Find Code by Meaning', options);
  }

  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }

  override warn(message: string, data?: unknown): void {
    super.warn(message, data, false);
  }

  /** The library stops a client whose start failed, which it cannot, and nobody catches that. */
  override async stop(timeout?: number): Promise<void> {
    try {
      await super.stop(timeout);
    } catch (error) {
      this.outputChannel.appendLine(error instanceof Error ? error.message : String(error));
    }
  }

  protected override fillInitializeParams(params: InitializeParams): void {
    super.fillInitializeParams(params);
    params.processId = process.pid; // the server ends when this process does
  }

  protected override createMessageTransports(): Promise<MessageTransports> {
    const { reader, writer } = this.server;
    return Promise.resolve({ reader: new StreamMessageReader(reader), writer: new StreamMessageWriter(writer) });
  }
}
