/**
 * What our client changes on the way between VS Code and the server.
 *
 * VS Code's symbol search (`#`) sends the first word only and drops rows whose names lack its letters in their order. So
 * rows that are found by meaning carry what was typed behind their name. The server's code action opens its best hit, for
 * editors without a list; here it opens the list.
 */
import * as vscode from 'vscode';
import type { Middleware } from 'vscode-languageclient';

import { ask } from './ask.js';
import type { Client } from './client.js';
import { SEMANTIC_SYMBOL, ServerCommand, type SemanticSymbol } from './protocol.js';
import { nameOf } from './open.js';
import type { Server } from './server.js';
import { asQuestion, labelled } from './symbolPicker.js';

/** Rows by meaning among VS Code's own, where names are what is looked for first. */
const LIMIT = 10;
/** Of the best row's score, what another one has to have: VS Code sorts by names, so a poor one could come first. */
const SHARE = 0.5;

export function makeMiddleware(server: () => Server): Middleware {
  return {
    provideWorkspaceSymbols: async (query, token, next) => {
      const byName = Promise.resolve(next(query, token));
      const [names, meant] = await Promise.all([byName, byMeaning(server(), query, token)]);
      const known = new Set((names ?? []).map((symbol) => keyOf(symbol.location)));
      return [...(names ?? []), ...meant.filter((symbol) => !known.has(keyOf(symbol.location)))];
    },
    provideCodeActions: async (document, range, context, token, next) => {
      const actions = (await next(document, range, context, token)) ?? [];
      for (const action of actions) {
        const command = 'title' in action && typeof action.command === 'object' ? action.command : undefined;
        if (command?.command === ServerCommand.similar) {
          command.command = 'meaning.findSimilar';
          command.arguments = command.arguments?.slice(0, 1) ?? [];
        }
      }
      return actions;
    },
  };
}

async function byMeaning(
  server: Server,
  query: string,
  token: vscode.CancellationToken,
): Promise<vscode.SymbolInformation[]> {
  const question = asQuestion(query);
  const mode = vscode.workspace.getConfiguration('meaning').get<string>('workspaceSymbols', 'names-and-meaning');
  const { client } = server;
  if (question === undefined || client === undefined || mode !== 'names-and-meaning') {
    return [];
  }
  try {
    const params = { query: question, limit: LIMIT };
    const answer = await ask(client, { method: SEMANTIC_SYMBOL, params }, () => undefined, token);
    const enough = SHARE * (answer.symbols[0]?.score ?? 0);
    const wanted = answer.confident ? answer.symbols.filter(({ score }) => score >= enough) : [];
    return wanted.map((symbol) => toSymbol(client, symbol, query));
  } catch {
    return []; // an error here would hide the rows of all other languages
  }
}

function toSymbol(client: Client, symbol: SemanticSymbol, query: string): vscode.SymbolInformation {
  const location = new vscode.Location(vscode.Uri.parse(symbol.location.uri), nameOf(symbol));
  const kind = client.protocol2CodeConverter.asSymbolKind(symbol.kind);
  return new vscode.SymbolInformation(labelled(symbol.name, query), kind, symbol.containerName ?? '', location);
}

function keyOf(location: vscode.Location): string {
  return `${location.uri.toString()}#${location.range.start.line}`;
}
