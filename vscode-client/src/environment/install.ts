/**
 * Install: an environment with the server in it, made and tried out.
 *
 * Takes interpreters, what the extension carries and a place in the store, gives a whole environment there; says what it
 * is doing meanwhile. With uv when there is one, else with the pip that is carried, so that neither pip nor ensurepip has
 * to be installed. Throws `Failure`, or the signal's reason when aborted, and leaves nothing half made. Knows nothing of
 * VS Code.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Carried, isComplete } from './carried.js';
import { Failure, lastWords, understand } from './failure.js';
import type { Python } from './python.js';
import { type Ended, run } from './run.js';
import type { Environment, Store } from './store.js';

/** The longest that each step may take: slow networks and slow disks, but not for ever. */
const MINUTES = { venv: 3, download: 30, build: 10, check: 3, version: 0.5 };

/** What is going on, for people. */
export type Step =
  | { kind: 'waiting' }
  | { kind: 'python' }
  | { kind: 'environment'; python: Python }
  | { kind: 'packages'; name: string }
  | { kind: 'build' }
  | { kind: 'check' };

export interface Surroundings {
  carried: Carried;
  store: Store;
  /** From `cleaned`. */
  env: NodeJS.ProcessEnv;
  /** Times the limits of MINUTES: 1, and less in tests. */
  patience: number;
  signal: AbortSignal;
  log: (line: string) => void;
}

interface Installing extends Surroundings {
  tell: (step: Step) => void;
}

/** Make an environment with the first of `pythons` that can. */
export async function install(
  pythons: readonly Python[],
  uv: string | undefined,
  around: Installing,
): Promise<Environment> {
  let failure = new Failure('no-python');
  for (const python of pythons) {
    const environment = await around.store.begin();
    try {
      around.tell({ kind: 'environment', python });
      const made = await begin(python, environment, around);
      if (made.code !== 0) {
        failure = failureOf(made);
        await around.store.discard(environment);
        continue; // another interpreter may be whole
      }
      await fill(python, environment, uv, around);
      around.tell({ kind: 'check' });
      await check(environment, around);
      await around.store.finish(environment, { version: around.carried.version, madeWith: python.executable });
      return environment;
    } catch (error) {
      await around.store.discard(environment);
      throw error;
    }
  }
  throw failure;
}

/** See whether the server can be started at all: quick, for every start of the editor. Throws `Failure`. */
export async function look(environment: Environment, around: Surroundings): Promise<void> {
  const ended = await say(environment.python, ['-I', '-m', 'lsp_server', '--version'], MINUTES.version, around);
  if (ended.how !== 'ended' || ended.code !== 0 || !ended.output.includes(around.carried.version)) {
    throw brokenServer(ended);
  }
}

/** Index a file and ask about it: everything that the server needs has to work. Throws `Failure` when it does not. */
export async function check(environment: Environment, around: Surroundings): Promise<void> {
  const folder = path.join(environment.folder, 'check');
  const project = path.join(folder, 'project');
  await mkdir(project, { recursive: true });
  await writeFile(path.join(project, 'receipt.py'), SAMPLE);
  const words = [
    '-I',
    '-m',
    'lsp_server',
    'search',
    QUESTION,
    project,
    '--cache-dir',
    path.join(folder, 'cache'),
    '--json',
  ];
  const ended = await say(environment.python, words, MINUTES.check, around);
  await rm(folder, { recursive: true, force: true });
  if (ended.how !== 'ended' || ended.code !== 0 || !ended.output.includes('send_receipt')) {
    throw ended.how === 'late' ? new Failure('took-too-long', 'lsp_server') : brokenServer(ended);
  }
}

const QUESTION = 'tell a customer that the purchase is confirmed';
const SAMPLE = `def send_receipt(customer, order):
    """Write an e-mail that confirms what was bought."""
    return customer.address, order.text
`;

function brokenServer({ code, output }: Ended): Failure {
  const { kind } = understand(output);
  return kind === 'disk-full' ? new Failure(kind) : new Failure('does-not-work', lastWords(output) || String(code));
}

/** The folder with an interpreter of its own. pip comes later: what Debian leaves out of its Python is not missed. */
async function begin(python: Python, { folder }: Environment, around: Installing): Promise<Ended> {
  return say(python.executable, ['-I', '-m', 'venv', '--without-pip', folder], MINUTES.venv, around);
}

async function fill(
  python: Python,
  environment: Environment,
  uv: string | undefined,
  around: Installing,
): Promise<void> {
  const { carried } = around;
  const server = path.join(carried.folder, carried.wheel);
  const source = ['--find-links', carried.folder];
  const installer = await choose(environment, uv, around);
  const add = (words: readonly string[], minutes: number): Promise<Ended> =>
    say(installer.command, [...installer.args, ...words], minutes, around);
  if (isComplete(carried, python) && (await add(['--no-index', ...source, server], MINUTES.build)).code === 0) {
    return;
  }
  // Without building: what has no wheel would ask for a compiler and fail with pages of its words.
  succeeded(await add(['--only-binary', ':all:', ...source, ...carried.requirements], MINUTES.download));
  if (carried.optional.length > 0) {
    around.tell({ kind: 'build' });
    // From a cache, a build for the machine that filled it could come. The server works without these.
    const { code } = await add([installer.noCache, ...source, ...carried.optional], MINUTES.build);
    if (code !== 0) {
      around.log(`going on without ${carried.optional.join(', ')}: everything works by exact scan`);
    }
  }
  // Last and alone: pip would insist on what could not be built.
  succeeded(await add(['--no-deps', '--no-index', server], MINUTES.build));
}

/** What installs the packages that follow `args`. */
interface Installer {
  command: string;
  args: readonly string[];
  /** The option by which nothing is taken from a cache. */
  noCache: string;
}

/** uv where it works, else pip, put into the environment as ensurepip would. */
async function choose({ python }: Environment, uv: string | undefined, around: Installing): Promise<Installer> {
  if (uv !== undefined && (await say(uv, ['--version'], MINUTES.version, around)).code === 0) {
    return { command: uv, args: ['pip', 'install', '--python', python, '--compile-bytecode'], noCache: '--no-cache' };
  }
  const wheel = path.join(around.carried.folder, around.carried.pip);
  const itself = ['-I', path.join(wheel, 'pip'), 'install', '--no-index', '--no-deps', '--no-compile', wheel];
  succeeded(await say(python, itself, MINUTES.venv, around));
  const args = ['-I', '-m', 'pip', 'install', '--progress-bar', 'off', '--retries', '2'];
  return { command: python, args, noCache: '--no-cache-dir' };
}

function succeeded(ended: Ended): void {
  if (ended.code !== 0) {
    throw failureOf(ended);
  }
}

function failureOf({ how, output }: Ended): Failure {
  return how === 'late' ? new Failure('took-too-long', lastWords(output)) : understand(output);
}

/** Run a program with all its words in the log, and tell which package it is at. */
async function say(
  command: string,
  args: readonly string[],
  minutes: number,
  around: Surroundings & Partial<Installing>,
): Promise<Ended> {
  around.log(
    `$ ${[command, ...args].map((word) => (/^[^\s"']+$/.test(word) ? word : JSON.stringify(word))).join(' ')}`,
  );
  const hear = (line: string): void => {
    around.log(line);
    const name = PACKAGE.exec(line)?.[1];
    if (name !== undefined) {
      around.tell?.({ kind: 'packages', name });
    }
  };
  const time = minutes * 60_000 * around.patience;
  const ended = await run(command, args, { time, signal: around.signal, env: around.env, hear });
  if (ended.how !== 'ended' || ended.code !== 0) {
    around.log(ended.how === 'late' ? `stopped after ${time / 1000} s` : `ended with ${ended.code}`);
  }
  return ended;
}

// A line of pip ("Collecting numpy<3,>=1.26 (from ...)", "Processing /folder/numpy-2.4.6-cp311...whl") or of uv
// ("Downloading numpy (16.1MiB)").
const PACKAGE = /^\s*(?:Collecting|Processing|Downloading) (?:.*[\\/])?([A-Za-z][\w.]*(?:-[A-Za-z][\w.]*)*)/;

/** The environment variables for installing: none that would lead pip or Python elsewhere, and a proxy if needed. */
export function cleaned(env: NodeJS.ProcessEnv, proxy: string): NodeJS.ProcessEnv {
  const kept = { ...env };
  for (const name of Object.keys(kept)) {
    if (
      /^(?:PYTHON.*|__PYVENV_LAUNCHER__|VIRTUAL_ENV|PIP_(?:TARGET|PREFIX|ROOT|USER|REQUIRE_VIRTUALENV|NO_INDEX))$/i.test(
        name,
      )
    ) {
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- a copy, and the point of it
      delete kept[name];
    }
  }
  const own = {
    PIP_USER: '0', // against a pip.conf that says otherwise, which a virtual environment cannot obey
    PIP_NO_INPUT: '1', // nobody is there to be asked
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
    NO_COLOR: '1',
    HNSWLIB_NO_NATIVE: '1', // for any processor: the storage may be shared by several machines
  };
  const isProxied = Object.keys(kept).some((name) => name.toUpperCase() === 'HTTPS_PROXY');
  return { ...kept, ...own, ...(proxy && !isProxied ? { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } : {}) };
}
