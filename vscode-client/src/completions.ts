/**
 * What a filter token can be completed to, in this workspace.
 */
import * as vscode from 'vscode';

import { KINDS, LANGUAGES, matching, type Unfinished } from './filters.js';

/** More rows are never read, and a folder may hold thousands. */
const MOST = 50;
/** Folders that are never indexed. */
const HIDDEN = /^(?:\..*|node_modules|__pycache__)$/;

/** Return values for a token, the likeliest first. */
export async function completionsOf(token: Unfinished): Promise<string[]> {
  const found = matching(await valuesOf(token), token.value).slice(0, MOST);
  return found.includes(token.value) ? [] : found; // nothing is left to complete
}

/** Return whether the value of a token is one that the server knows; of paths and names any value is. */
export function isKnown(token: Unfinished): boolean {
  switch (token.key) {
    case 'kind':
      return (KINDS as readonly string[]).includes(token.value);
    case 'lang':
      return (LANGUAGES as readonly string[]).includes(token.value);
    default:
      return token.value !== '';
  }
}

/** Return the workspace folders that lie on a disk. */
export function foldersOnDisk(): vscode.WorkspaceFolder[] {
  return (vscode.workspace.workspaceFolders ?? []).filter((folder) => folder.uri.scheme === 'file');
}

async function valuesOf(token: Unfinished): Promise<readonly string[]> {
  switch (token.key) {
    case 'kind':
      return KINDS;
    case 'lang': {
      const open = vscode.workspace.textDocuments.map((document) => document.languageId);
      const known = (LANGUAGES as readonly string[]).filter((id) => !open.includes(id));
      return [...new Set(open.filter((id) => (LANGUAGES as readonly string[]).includes(id))), ...known];
    }
    case 'in':
    case 'path':
    case '-path':
      return folders(token.value.slice(0, token.value.lastIndexOf('/') + 1));
    default:
      return [];
  }
}

/** Return the folders below `parent` ("" or a path that ends with "/") in any workspace folder. */
async function folders(parent: string): Promise<string[]> {
  const listings = await Promise.all(
    foldersOnDisk().map(async (folder) => {
      try {
        return await vscode.workspace.fs.readDirectory(vscode.Uri.joinPath(folder.uri, parent));
      } catch {
        return []; // being typed, and not there yet
      }
    }),
  );
  const names = listings
    .flat()
    .filter(([name, type]) => (type & vscode.FileType.Directory) !== 0 && !HIDDEN.test(name))
    .map(([name]) => `${parent}${name}/`);
  return [...new Set(names)].sort((a, b) => a.localeCompare(b));
}
