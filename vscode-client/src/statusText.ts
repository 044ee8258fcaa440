/**
 * What the status says: from the server's state and its folders to a line, a detail and how serious it is.
 *
 * Text in, text out; `t` translates, so that the sentences can be checked without an editor.
 */
import type { IndexStatus, State } from './protocol.js';

export interface StatusText {
  text: string;
  detail: string;
  severity: 'information' | 'warning' | 'error';
  isBusy: boolean;
}

/** What is known of the server beside its folders. */
export type ServerKind = 'stopped' | 'preparing' | 'starting' | 'running' | 'waiting' | 'failed';

export type Translate = (message: string, ...parts: (string | number)[]) => string;

/** The state that a workspace is in is that of its least ready folder. */
const LEAST_FIRST: readonly State[] = ['failed', 'starting', 'indexing', 'paused', 'reading', 'ready'];
const BAR = 10;

/**
 * Say how the server and its folders are; `trouble` is the sentence of a server that failed. Of a server that has just
 * been started, `folders` are not known yet.
 */
export function describe(
  kind: ServerKind,
  trouble: string,
  folders: readonly IndexStatus[] | undefined,
  t: Translate,
): StatusText {
  switch (kind) {
    case 'stopped':
      return say(t('not running'), trouble);
    case 'preparing':
      return { ...say(t('preparing the server'), t('This is done once for each version.')), isBusy: true };
    case 'starting':
      return starting(t);
    case 'waiting':
      return { ...say(t('the server ended; starting it again'), ''), severity: 'warning', isBusy: true };
    case 'failed':
      return { ...say(t('the server does not run'), trouble), severity: 'error' };
    case 'running':
      if (folders === undefined) {
        return starting(t);
      }
      return folders.length === 0 ? say(t('no folder'), t('Open a folder to search in it.')) : ofFolders(folders, t);
  }
}

function starting(t: Translate): StatusText {
  return { ...say(t('starting'), ''), isBusy: true };
}

function ofFolders(folders: readonly IndexStatus[], t: Translate): StatusText {
  const sum = (of: (folder: IndexStatus) => number): number => folders.reduce((total, folder) => total + of(folder), 0);
  const least = folders.reduce((a, b) => (LEAST_FIRST.indexOf(b.state) < LEAST_FIRST.indexOf(a.state) ? b : a));
  const done = sum((folder) => folder.filesDone);
  const total = sum((folder) => folder.filesTotal);
  const symbols = sum((folder) => folder.symbols);
  const embedded = sum((folder) => folder.embedded);
  const message = least.message ?? '';
  const count = t('{0} symbols in {1} files', number(symbols), number(total));
  switch (least.state) {
    case 'starting':
      return { ...say(t('opening the index'), message), isBusy: true };
    case 'indexing': {
      if (total === 0 && symbols === 0) {
        return { ...say(t('looking for files'), message), isBusy: true };
      }
      // Files are read quickly, meanings are computed slowly: where all is read, the rest is the embedding.
      const isReading = done < total;
      const share = isReading ? ratio(done, total) : ratio(embedded, symbols);
      const text = isReading
        ? t('indexing {0} of {1} files', number(done), number(total))
        : t('indexing {0} of {1} symbols', number(embedded), number(symbols));
      return { ...say(text, `${bar(share)} ${Math.floor(share * 100)} %`), isBusy: true };
    }
    case 'ready':
      return folders.some((folder) => folder.mode === 'words')
        ? {
            ...say(t('words only'), message || t('Nothing can be compared by meaning at the moment.')),
            severity: 'warning',
          }
        : say(t('ready'), message || count);
    case 'paused':
      return { ...say(t('paused'), message || count), severity: 'warning' };
    case 'reading':
      return say(t("reading another window's index"), message || count);
    case 'failed':
      return { ...say(t('indexing failed'), message), severity: 'error' };
  }
}

/** Return whether an index holds all that it is going to hold for now; one that is paused does. */
export function isWhole(index: IndexStatus): boolean {
  return index.state !== 'starting' && index.state !== 'indexing';
}

/** Draw a bar of full and empty blocks. */
export function bar(share: number): string {
  const full = Math.round(Math.min(Math.max(share, 0), 1) * BAR);
  return '▰'.repeat(full) + '▱'.repeat(BAR - full);
}

function say(text: string, detail: string): StatusText {
  return { text, detail, severity: 'information', isBusy: false };
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
