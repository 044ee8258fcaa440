/**
 * Python: the interpreter that the server's environment is made with.
 *
 * Takes where to look, gives the best CPython that can run the server, and says of all others why they cannot. Each is
 * run once, isolated from its surroundings. Knows nothing of VS Code.
 */
import { constants } from 'node:fs';
import { access, realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { type Limits, run } from './run.js';

export const OLDEST: Version = [3, 11];
/** For newer ones there may be no packages yet, so they come last. */
const NEWEST_KNOWN: Version = [3, 14];
/** For an interpreter to say what it is, in milliseconds: a cold disk or a virus scanner takes seconds. */
const PATIENCE = 20_000;
/** What uv is asked for, and how long it may take. */
const BROUGHT = '3.13';
const DOWNLOAD = 600_000;

export type Version = readonly [major: number, minor: number];

export interface Python {
  readonly executable: string;
  /** The installation or virtual environment it belongs to. */
  readonly prefix: string;
  readonly version: Version;
  /** Which packages it takes: operating system, processor, C library. Written the same way by scripts/carry.py. */
  readonly platform: string;
}

export interface Unfit {
  readonly executable: string;
  /** What it is, for people: "Python 3.9", "PyPy", "does not answer". */
  readonly reason: string;
}

export interface Found {
  /** Best first. */
  readonly fit: readonly Python[];
  readonly unfit: readonly Unfit[];
}

// One line of JSON. Runs on any Python 3; on 2 it is a syntax error, which is an answer too.
const WHO_ARE_YOU = `
import json, platform, sys, sysconfig
libc = "-musl" if "musl" in str(sysconfig.get_config_var("HOST_GNU_TYPE")) else ""
print(json.dumps({
    "executable": sys.executable,
    "prefix": sys.prefix,
    "version": list(sys.version_info[:2]),
    "implementation": sys.implementation.name,
    "bits": 64 if sys.maxsize > 2**32 else 32,
    "free": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "platform": sys.platform + "-" + platform.machine().lower() + libc,
}))
`;

interface Answer {
  readonly executable: string;
  readonly prefix: string;
  readonly version: Version;
  readonly implementation: string;
  readonly bits: number;
  readonly free: boolean;
  readonly platform: string;
}

/**
 * Find all interpreters, `preferred` (paths) before those of PATH, those that `carried` says wheels are there for
 * before those for which packages have to be fetched.
 */
export async function findPythons(
  preferred: readonly string[],
  carried: (python: Python) => boolean,
  limits: Omit<Limits, 'time'>,
): Promise<Found> {
  const search = limits.env ?? process.env;
  const places = new Set([...preferred, ...(await inPath(search)), ...(await fromLauncher(limits))]);
  const answers = await Promise.all([...places].map((executable) => ask(executable, limits)));
  const fit = new Map<string, Python>();
  const unfit: Unfit[] = [];
  for (const answer of answers) {
    if ('reason' in answer) {
      unfit.push(answer);
    } else {
      // Several names lead to one interpreter; a virtual environment's is another one than the one it links to.
      const real = await realpath(answer.executable).catch(() => answer.executable);
      const key = `${real} ${answer.prefix}`;
      fit.set(key, fit.get(key) ?? answer);
    }
  }
  const rank = (python: Python): number => (carried(python) ? 0 : isAtMost(python.version, NEWEST_KNOWN) ? 1 : 2);
  return { fit: [...fit.values()].sort((one, other) => rank(one) - rank(other)), unfit };
}

/** The interpreter that uv brings when asked: for machines with uv and no Python. */
export async function fromUv(uv: string, limits: Omit<Limits, 'time'>): Promise<Python[]> {
  await run(uv, ['python', 'install', BROUGHT], { ...limits, time: DOWNLOAD });
  const { output } = await run(uv, ['python', 'find', BROUGHT], { ...limits, time: PATIENCE });
  const answer = await ask(output.trim().split('\n').at(-1) ?? '', limits);
  return 'reason' in answer ? [] : [answer];
}

/** Ask an interpreter what it is. */
export async function ask(executable: string, limits: Omit<Limits, 'time'>): Promise<Python | Unfit> {
  const { how, code, output } = await run(executable, ['-I', '-c', WHO_ARE_YOU], { ...limits, time: PATIENCE });
  const no = (reason: string): Unfit => ({ executable, reason });
  const answer = how === 'ended' && code === 0 ? understand(output) : undefined;
  if (!answer) {
    return no(how === 'late' ? 'does not answer' : 'cannot be run');
  }
  const version = `Python ${answer.version.join('.')}`;
  if (answer.implementation !== 'cpython') {
    return no(`${answer.implementation} ${answer.version.join('.')}`);
  }
  if (!isAtMost(OLDEST, answer.version)) {
    return no(version);
  }
  if (answer.bits !== 64) {
    return no(`${version}, 32 bits`);
  }
  if (answer.free) {
    return no(`${version}, free-threaded`);
  }
  // The program that answered, not the shim or launcher that was asked: those may choose another one tomorrow.
  const { prefix, platform } = answer;
  return { executable: answer.executable || executable, prefix, version: answer.version, platform };
}

function understand(output: string): Answer | undefined {
  for (const line of output.split('\n')) {
    try {
      const answer = JSON.parse(line) as Answer;
      if (Array.isArray(answer.version) && typeof answer.executable === 'string') {
        return answer;
      }
    } catch {
      // Whatever else it had to say.
    }
  }
  return undefined;
}

function isAtMost(one: Version, other: Version): boolean {
  return one[0] < other[0] || (one[0] === other[0] && one[1] <= other[1]);
}

/** The interpreters in PATH, newest name first, and those of folders that a desktop's PATH leaves out. */
async function inPath(env: NodeJS.ProcessEnv): Promise<string[]> {
  const names = ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python'];
  const found = [];
  for (const name of names) {
    found.push(...(await which(name, env)));
  }
  return found;
}

/** All files of this name that can be run from PATH, in its order. Relative folders in PATH are passed over. */
export async function which(name: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const key = Object.keys(env).find((one) => one.toUpperCase() === 'PATH') ?? 'PATH';
  const folders = (env[key] ?? '').split(path.delimiter);
  if (process.platform !== 'win32') {
    folders.push(path.join(homedir(), '.local', 'bin'));
  }
  if (process.platform === 'darwin') {
    folders.push('/opt/homebrew/bin', '/usr/local/bin');
  }
  const file = process.platform === 'win32' ? `${name}.exe` : name;
  const found = new Set<string>();
  for (const folder of folders) {
    // On a Mac without developer tools /usr/bin/python3 opens a window that wants to install them; it is a 3.9 at best.
    if (!path.isAbsolute(folder) || (process.platform === 'darwin' && folder === '/usr/bin')) {
      continue;
    }
    const candidate = path.join(folder, file);
    if (await isExecutable(candidate)) {
      found.add(candidate);
    }
  }
  return [...found];
}

/** Whether there is a file that may be run. */
export async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** On Windows: the interpreters that the `py` launcher knows. */
async function fromLauncher(limits: Omit<Limits, 'time'>): Promise<string[]> {
  const [launcher] = process.platform === 'win32' ? await which('py', limits.env ?? process.env) : [];
  if (!launcher) {
    return [];
  }
  const { output } = await run(launcher, ['-0p'], { ...limits, time: PATIENCE });
  return output.split(/\r?\n/).flatMap((line) => /[A-Za-z]:\\.*\.exe/.exec(line)?.[0] ?? []);
}
