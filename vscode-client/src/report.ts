/**
 * The doctor's report of the extension's side, as Markdown: what it knows without asking the server's own doctor.
 */
import type { FolderStatus } from './protocol.js';

export interface Facts {
  /** What and how many, in the order in which it is shown. */
  about: readonly (readonly [string, string])[];
  /** With paths, as people read them, in the place of URIs. */
  folders: readonly FolderStatus[];
  /** The server's own report, or why there is none. */
  server: string;
}

export function report({ about, folders, server }: Facts): string {
  return [
    '# meaning-ls: report\n',
    table(['', ''], about.map(([name, value]) => [name, value])),
    ...folders.map(ofFolder),
    '## Server\n',
    server.replace(/^(#{1,5}) /gm, '$1# ').trim(),
    '',
  ].join('\n'); // prettier-ignore
}

function ofFolder(folder: FolderStatus): string {
  const { skipped, skippedTotal } = folder;
  const rows: [string, string][] = [
    ['state', folder.message === undefined ? folder.state : `${folder.state}: ${folder.message}`],
    ['search by', folder.mode === 'hybrid' ? 'meaning and words' : 'words only'],
    ['files', `${folder.filesDone} of ${folder.filesTotal}`],
    ['symbols', `${folder.symbols}, of which ${folder.embedded} can be compared by meaning`],
    ['model', folder.model === '' ? 'none' : folder.model],
    ['vectors', folder.vectors === '' ? 'none' : folder.vectors],
    ['size of the index', `${(folder.bytes / 1e6).toFixed(1)} MB`],
    ['last change', folder.lastUpdate === 0 ? 'never' : new Date(folder.lastUpdate * 1000).toISOString()],
    ['left out', String(skippedTotal)],
  ];
  const left =
    skipped.length === 0 ? '' : `\n### Left out (${skipped.length} of ${skippedTotal})\n\n${table(['path', 'why'], skipped.map(({ path, reason }) => [path, reason]))}`; // prettier-ignore
  return `## Folder ${inline(folder.uri)}\n\n${table(['', ''], rows)}${left}`;
}

function table(head: readonly [string, string], rows: readonly (readonly [string, string])[]): string {
  const lines = [head, ['---', '---'], ...rows].map((cells) => `| ${cells.map(inline).join(' | ')} |`);
  return `${lines.join('\n')}\n`;
}

function inline(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[|<>]/g, (mark) => `\\${mark}`);
}
