/**
 * Store: the folder of the extension's storage where environments lie, shared by all windows.
 *
 * An environment is a folder that counts from the moment its marker, which is written last and moved into place, is
 * there: one that was left half made is never used, only removed. A lock has one window make it while others wait; it
 * only saves work, for two that are made at once do not disturb each other. Knows nothing of VS Code.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Carried } from './carried.js';

const MARKER = 'installed.json';
const LOCK = 'lock';

/** The holder of the lock says this often that it is there, and is believed for so long, in milliseconds. */
const BEAT = 3_000;
const BELIEVED = 30_000;
/** How often a window that waits looks again. */
const LOOK = 500;
/** An older environment may serve a window that was not reloaded; nobody starts it for this long: it goes. */
const FORGOTTEN = 7 * 24 * 3600_000;
/** A half made one may still be in the making elsewhere; none takes this long. */
const ABANDONED = 3600_000;

export interface Environment {
  readonly folder: string;
  /** The interpreter inside. */
  readonly python: string;
}

/** What the marker says, for people who look. */
export interface Marker {
  readonly version: string;
  readonly madeWith: string;
}

/** The environments below `root`, for what one extension carries. */
export class Store {
  constructor(
    private readonly root: string,
    private readonly carried: Carried,
  ) {}

  /** The newest environment that is whole, with the time it was used written down. */
  async newest(): Promise<Environment | undefined> {
    const names = (await this.names()).filter((name) => name.startsWith(this.prefix)).sort();
    for (const name of names.reverse()) {
      const folder = path.join(this.root, name);
      const now = new Date();
      try {
        await utimes(path.join(folder, MARKER), now, now);
        return { folder, python: pythonIn(folder) };
      } catch {
        // Not whole.
      }
    }
    return undefined;
  }

  /** A place for a new environment. */
  async begin(): Promise<Environment> {
    // Sorts by time, and is nobody else's.
    const name = `${this.prefix}${Date.now().toString(36).padStart(9, '0')}-${randomBytes(3).toString('hex')}`;
    const folder = path.join(this.root, name);
    await mkdir(folder, { recursive: true });
    return { folder, python: pythonIn(folder) };
  }

  /** From now on the environment counts. */
  async finish(environment: Environment, marker: Marker): Promise<void> {
    const beside = path.join(environment.folder, `${MARKER}.new`);
    await writeFile(beside, `${JSON.stringify(marker, null, 2)}\n`);
    await rename(beside, path.join(environment.folder, MARKER));
  }

  /** From now on the environment does not count. What cannot be removed, because it runs, is removed another day. */
  async discard(environment: Environment): Promise<void> {
    await rm(path.join(environment.folder, MARKER), { force: true });
    await remove(environment.folder);
  }

  /** Remove what no window uses any more, except `kept`. */
  async tidy(kept: Environment): Promise<void> {
    for (const name of await this.names()) {
      const folder = path.join(this.root, name);
      if (folder === kept.folder || name.startsWith(LOCK)) {
        continue;
      }
      const used = await timeOf(path.join(folder, MARKER));
      const age = Date.now() - (used ?? (await timeOf(folder)) ?? 0);
      if (age > (used === undefined ? ABANDONED : FORGOTTEN)) {
        await rm(path.join(folder, MARKER), { force: true });
        await remove(folder);
      }
    }
  }

  /**
   * Do `work` while no other window does, or stop waiting for the other one once `done` gives something.
   * Throws the signal's reason when it was aborted.
   */
  async alone<Result>(
    work: () => Promise<Result>,
    done: () => Promise<Result | undefined>,
    waiting: () => void,
    signal: AbortSignal,
  ): Promise<Result> {
    await mkdir(this.root, { recursive: true });
    const lock = path.join(this.root, LOCK);
    for (;;) {
      signal.throwIfAborted();
      const result = await done();
      if (result !== undefined) {
        return result;
      }
      if (await take(lock)) {
        break;
      }
      waiting();
      await sleep(LOOK);
    }
    const beating = setInterval(() => {
      const now = new Date();
      utimes(lock, now, now).catch(() => undefined);
    }, BEAT);
    try {
      // Whoever had the lock until now may have done it.
      return (await done()) ?? (await work());
    } finally {
      clearInterval(beating);
      await rm(lock, { force: true });
    }
  }

  private get prefix(): string {
    return `${this.carried.version}-${this.carried.fingerprint}-`;
  }

  private async names(): Promise<string[]> {
    return readdir(this.root).catch(() => []);
  }
}

function pythonIn(folder: string): string {
  return process.platform === 'win32' ? path.join(folder, 'Scripts', 'python.exe') : path.join(folder, 'bin', 'python');
}

async function remove(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
}

async function timeOf(file: string): Promise<number | undefined> {
  return stat(file).then(
    (found) => found.mtimeMs,
    () => undefined,
  );
}

/** Take the lock if it is free, or if its holder has gone. */
async function take(lock: string): Promise<boolean> {
  try {
    const file = await open(lock, 'wx');
    await file.writeFile(JSON.stringify({ host: hostname(), pid: process.pid }));
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw error;
    }
  }
  if (await isHeld(lock)) {
    return false;
  }
  // Only one of those who find it abandoned can move it away.
  const aside = `${lock}-${randomBytes(3).toString('hex')}`;
  await rename(lock, aside).then(
    () => rm(aside, { force: true }),
    () => undefined,
  );
  return false;
}

async function isHeld(lock: string): Promise<boolean> {
  const beaten = await timeOf(lock);
  if (beaten === undefined || Date.now() - beaten > BELIEVED) {
    return false;
  }
  try {
    const { host, pid } = JSON.parse(await readFile(lock, 'utf8')) as { host: string; pid: number };
    return host !== hostname() || isRunning(pid);
  } catch {
    return true; // It is being written.
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
