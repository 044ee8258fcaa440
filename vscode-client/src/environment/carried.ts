/**
 * Carried: what the extension brings with it to install, the folder `server/` that scripts/carry.py fills.
 *
 * Takes that folder, gives its description. Knows nothing of VS Code.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Python } from './python.js';

export interface Carried {
  /** The folder with the wheels. */
  readonly folder: string;
  /** The server's version. */
  readonly version: string;
  /** File names of the server's own wheel and of pip's, by which an environment gets its pip. */
  readonly wheel: string;
  readonly pip: string;
  /** What the server needs, and what it can do without when it cannot be built, as pip understands it. */
  readonly requirements: readonly string[];
  readonly optional: readonly string[];
  /** The Pythons ("3.11") of one platform for which every wheel is there; none in the package for any platform. */
  readonly complete: { readonly platform: string; readonly pythons: readonly string[] };
  /** Differs whenever anything of it does. */
  readonly fingerprint: string;
}

/** Read the description. Throws when the extension was packaged without it. */
export async function readCarried(folder: string): Promise<Carried> {
  const text = await readFile(path.join(folder, 'server.json'), 'utf8');
  const fingerprint = createHash('sha256').update(text).digest('hex').slice(0, 12);
  return { ...(JSON.parse(text) as Omit<Carried, 'folder' | 'fingerprint'>), folder, fingerprint };
}

/** Whether an interpreter needs no network: all its wheels are here. */
export function isComplete(carried: Carried, python: Python): boolean {
  const { platform, pythons } = carried.complete;
  return platform === python.platform && pythons.includes(python.version.join('.'));
}
