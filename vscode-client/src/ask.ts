/**
 * Questions to the server: sent, answered in two steps, cancelled, given up.
 */
import * as vscode from 'vscode';

import { ProgressType, type Client } from './client.js';
import type {
  PartialSymbols,
  SEMANTIC_SYMBOL,
  SemanticSymbol,
  SemanticSymbolParams,
  SemanticSymbolResult,
  SIMILAR_SYMBOL,
  SimilarSymbolParams,
} from './protocol.js';

/** Seconds after which an answer is no longer waited for: a hundred times what a slow one takes. */
const PATIENCE = 15;

/** The server did not answer in time. */
export class NoAnswer extends Error {
  constructor() {
    super(vscode.l10n.t('The server did not answer within {0} seconds.', PATIENCE));
  }
}

/** What can be asked. */
export type Question =
  | { method: typeof SEMANTIC_SYMBOL; params: SemanticSymbolParams }
  | { method: typeof SIMILAR_SYMBOL; params: SimilarSymbolParams };

/**
 * Ask the server. `onPartial` gets the rows that words and names find, if any come before the answer.
 *
 * Raises CancellationError when `token` was cancelled, NoAnswer, and the server's error.
 */
export async function ask(
  client: Client,
  question: Question,
  onPartial: (symbols: SemanticSymbol[]) => void,
  token: vscode.CancellationToken,
): Promise<SemanticSymbolResult> {
  const own = new vscode.CancellationTokenSource();
  const partialResultToken = nextToken();
  let timer: NodeJS.Timeout | undefined;
  const listeners = [
    own,
    token.onCancellationRequested(() => {
      own.cancel();
    }),
    client.onProgress(new ProgressType<PartialSymbols>(), partialResultToken, (partial) => {
      if (!own.token.isCancellationRequested) {
        onPartial(partial.symbols);
      }
    }),
  ];
  const end = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new NoAnswer());
      own.cancel();
    }, PATIENCE * 1000);
    listeners.push(
      token.onCancellationRequested(() => {
        reject(new vscode.CancellationError());
      }),
    );
  });
  try {
    const params = { ...question.params, partialResultToken };
    const answer = client.sendRequest<SemanticSymbolResult>(question.method, params, own.token);
    return await Promise.race([answer, end]);
  } finally {
    end.catch(() => undefined);
    clearTimeout(timer);
    vscode.Disposable.from(...listeners).dispose();
  }
}

let tokens = 0;

function nextToken(): string {
  tokens += 1;
  return `meaning-${tokens}`;
}
