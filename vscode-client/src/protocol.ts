/**
 * The wire, as docs/protocol.md describes it: our methods, params, results, commands.
 *
 * The same as lsp_server/protocol.py says in Python; tests/test_vscode.py holds the two together.
 */
import type {
  DocumentUri,
  Location,
  PartialResultParams,
  Range,
  SymbolKind,
  TextDocumentIdentifier,
  WorkDoneProgressParams,
} from 'vscode-languageclient';

export const SEMANTIC_SYMBOL = 'workspace/semanticSymbol';
export const SIMILAR_SYMBOL = 'workspace/similarSymbol';
export const SEMANTIC_INDEX = 'workspace/semanticIndex';
export const INDEX_STATUS = 'semanticIndex/status';

/** Commands of the server. vscode-languageclient registers each of them, so the extension's own have other names. */
export const ServerCommand = {
  find: 'meaning-ls.find',
  findAndShow: 'meaning-ls.findAndShow',
  similar: 'meaning-ls.similar',
  reindex: 'meaning-ls.reindex',
  cancel: 'meaning-ls.cancel',
  pause: 'meaning-ls.pause',
  resume: 'meaning-ls.resume',
  status: 'meaning-ls.status',
  explain: 'meaning-ls.explain',
  why: 'meaning-ls.why',
  doctor: 'meaning-ls.doctor',
  models: 'meaning-ls.models',
  pullModel: 'meaning-ls.pullModel',
} as const;

export const CODE_ACTION_KIND = 'meaning-ls.similar';
export const DEFAULT_LIMIT = 20;
export const MAX_LIMIT = 200;
/** Characters of a question. */
export const MAX_QUERY = 10_000;

export type State = 'starting' | 'indexing' | 'ready' | 'paused' | 'reading' | 'failed';
export type Mode = 'words' | 'hybrid';
export type Match = 'meaning' | 'words' | 'name' | 'mixed';

/** Which rows are wanted; a field that is left out filters nothing. */
export interface Filters {
  limit?: number;
  kinds?: SymbolKind[];
  languages?: string[];
  include?: string[];
  exclude?: string[];
  folders?: DocumentUri[];
}

export interface SemanticSymbolParams extends Filters, WorkDoneProgressParams, PartialResultParams {
  query: string;
  textDocument?: TextDocumentIdentifier;
}

export interface SimilarSymbolParams extends Filters, WorkDoneProgressParams, PartialResultParams {
  textDocument: TextDocumentIdentifier;
  range: Range;
}

export interface SemanticSymbol {
  name: string;
  kind: SymbolKind;
  containerName?: string;
  location: Location;
  selectionRange: Range;
  score: number;
  match: Match;
  languageId: string;
  preview: string;
  detail?: string;
}

export interface IndexStatus {
  state: State;
  mode: Mode;
  filesDone: number;
  filesTotal: number;
  symbols: number;
  embedded: number;
  model: string;
  message?: string;
}

export interface SemanticSymbolResult {
  symbols: SemanticSymbol[];
  index: IndexStatus;
  confident: boolean;
}

/** What a partial result carries: the rows that words and names find. */
export interface PartialSymbols {
  symbols: SemanticSymbol[];
}

export interface Skipped {
  path: string;
  reason: string;
}

export interface FolderStatus extends IndexStatus {
  uri: DocumentUri;
  vectors: string;
  bytes: number;
  lastUpdate: number;
  skipped: Skipped[];
  skippedTotal: number;
  /** Program and process that write this index while it is in state `reading`. */
  writer: string;
  /** Id of the model that reorders the best rows, where there is one. */
  reranker?: string;
}

export interface SemanticIndexResult {
  folders: FolderStatus[];
  log: string; // path of the folder that holds the logs of all processes
}

/** Result of `meaning-ls.models`. */
export interface ModelAdvice {
  picked: string;
  installed: string[];
  offer: string;
  explanation: string[];
}
