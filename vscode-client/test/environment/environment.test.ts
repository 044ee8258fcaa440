/** The environment, made by real Pythons with the real pip, and everything that can go wrong on the way. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCarried } from '../../src/environment/carried.js';
import { Failure, type Kind, understand } from '../../src/environment/failure.js';
import { cleaned, type Surroundings } from '../../src/environment/install.js';
import { provide, type Wishes } from '../../src/environment/provide.js';
import { findPythons, type Python } from '../../src/environment/python.js';
import { run } from '../../src/environment/run.js';
import { type Environment, Store } from '../../src/environment/store.js';
import { carry, type Contents, testPython, VERSION, WORKING } from './wheels.js';

/** For all tests of a kind: a busy machine takes one. */
const MINUTES = 5;

let scratch: string;
let python: Python;
/** Of each test: what is carried, where environments lie, what PATH is, and what was said. */
let folder: string;
let root: string;
let bin: string;
let log: string[];
let steps: string[];

before(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'meaning-environment-'));
  python = await testPython();
});

after(async () => {
  await rm(scratch, { recursive: true, force: true });
});

beforeEach(async () => {
  const own = await mkdtemp(path.join(scratch, 'test-'));
  [folder, root, bin] = [path.join(own, 'carried'), path.join(own, 'storage'), path.join(own, 'bin')];
  await mkdir(bin);
  [log, steps] = [[], []];
});

/** A program in PATH. */
async function program(name: string, text: string): Promise<string> {
  const file = path.join(bin, name);
  await writeFile(file, `#!/bin/sh\n${text}\n`);
  await chmod(file, 0o755);
  return file;
}

/** What a Python of this version answers when it is asked who it is. */
function answer(version: [number, number], more: object = {}): string {
  const who = {
    executable: `/opt/python${version.join('.')}`,
    prefix: '/opt',
    version,
    implementation: 'cpython',
    bits: 64,
  };
  return `echo '${JSON.stringify({ ...who, free: false, platform: python.platform, ...more })}'`;
}

interface Circumstances {
  reason?: Wishes['reason'];
  pythons?: string[];
  env?: NodeJS.ProcessEnv;
  patience?: number;
  signal?: AbortSignal;
}

async function get(circumstances: Circumstances = {}): Promise<Environment> {
  const carried = await readCarried(folder);
  const { reason = 'start', pythons = [python.executable], env, patience = 1, signal } = circumstances;
  const around: Surroundings = {
    carried,
    store: new Store(root, carried),
    env: cleaned({ ...process.env, PATH: bin, ...env }, ''),
    patience,
    signal: signal ?? new AbortController().signal,
    log: (line) => log.push(line),
  };
  const show: Wishes['show'] = (work) => work((step) => steps.push(step.kind));
  return provide({ reason, pythons: () => Promise.resolve(pythons), show }, around);
}

async function carrying(contents: Partial<Contents> = {}): Promise<void> {
  await carry(folder, python, { program: WORKING, ...contents });
}

async function fails(kind: Kind, circumstances: Circumstances = {}): Promise<Failure> {
  const failure = await get(circumstances).then(
    () => assert.fail('there is an environment'),
    (error: unknown) => error,
  );
  assert.ok(failure instanceof Failure, `${String(failure)}\n${log.join('\n')}`);
  assert.equal(failure.kind, kind, `${failure.message}\n${log.join('\n')}`);
  assert.deepEqual(await environments(), [], 'something half made was left');
  return failure;
}

async function environments(): Promise<string[]> {
  return (await readdir(root).catch(() => [])).filter((name) => !name.startsWith('lock'));
}

function version({ python: inside }: Environment): string {
  return execFileSync(inside, ['-I', '-m', 'lsp_server', '--version'], { encoding: 'utf8' }).trim();
}

describe('an environment', { timeout: MINUTES * 60_000 }, () => {
  test('is made once from what is carried, without a network, and then used', async () => {
    await carrying();
    const nowhere = { HTTPS_PROXY: 'http://127.0.0.1:9', HTTP_PROXY: 'http://127.0.0.1:9' };
    const environment = await get({ env: nowhere });
    assert.equal(version(environment), `meaning-ls ${VERSION}`);
    assert.deepEqual([...new Set(steps)], ['environment', 'packages', 'check']);
    steps = [];
    assert.deepEqual(await get(), environment);
    assert.deepEqual(steps, []);
  });

  test('heeds neither PYTHONPATH nor what pip is told about other places', async () => {
    await carrying();
    await mkdir(path.join(bin, 'lsp_server'));
    await writeFile(path.join(bin, 'lsp_server', '__init__.py'), 'raise SystemExit("the wrong one")');
    const elsewhere = {
      PYTHONPATH: bin,
      PYTHONHOME: '/nowhere',
      PIP_TARGET: bin,
      PIP_USER: '1',
      PIP_REQUIRE_VIRTUALENV: '1',
    };
    assert.equal(version(await get({ env: elsewhere })), `meaning-ls ${VERSION}`);
  });

  test('is made anew for another version, and the old one goes when nobody uses it any more', async () => {
    await carrying();
    const old = await get();
    await rm(folder, { recursive: true });
    await carrying({ version: '1.3.0', program: WORKING.replace(VERSION, '1.3.0') });
    assert.equal(version(await get()), 'meaning-ls 1.3.0');
    assert.equal((await environments()).length, 2, 'a window that was not reloaded may still use it');
    const longAgo = new Date(Date.now() - 30 * 24 * 3600_000);
    await utimes(path.join(old.folder, 'installed.json'), longAgo, longAgo);
    await rm(folder, { recursive: true });
    await carrying({ version: '1.4.0', program: WORKING.replace(VERSION, '1.4.0') });
    await get();
    assert.ok(!existsSync(old.folder));
  });

  test('is made anew when it is broken', async () => {
    await carrying();
    const breakings: ((broken: Environment) => Promise<void>)[] = [
      (broken) => rm(broken.python),
      (broken) => rm(packages(broken, 'lsp_server'), { recursive: true }),
      (broken) => writeFile(path.join(packages(broken, 'lsp_server'), '__main__.py'), '}'),
    ];
    let environment = await get();
    for (const breaking of breakings) {
      await breaking(environment);
      const repaired = await get();
      assert.notEqual(repaired.folder, environment.folder);
      assert.equal(version(repaired), `meaning-ls ${VERSION}`);
      assert.deepEqual(await environments(), [path.basename(repaired.folder)]);
      environment = repaired;
    }
  });

  test('is tried out as a whole when the server did not start', async () => {
    // Its version can be had, a search cannot: what a damaged library looks like.
    await carrying({ program: WORKING.replace('import tiny_engine', 'if "search" in sys.argv: import tiny_engine') });
    const broken = await get();
    await writeFile(path.join(packages(broken, 'tiny_engine'), '__init__.py'), 'raise ImportError("half a file")');
    assert.deepEqual(await get(), broken);
    const repaired = await get({ reason: 'repair' });
    assert.notEqual(repaired.folder, broken.folder);
    assert.deepEqual(await get({ reason: 'repair' }), repaired);
  });

  test('is made by one of two windows while the other waits', async () => {
    await carrying();
    const said = await Promise.all([window(), window()].map(output));
    const folders = said.map((lines) => lines.at(-1));
    assert.equal(folders[0], folders[1]);
    assert.equal((await environments()).length, 1);
    assert.equal(said.filter((lines) => lines.includes('environment')).length, 1, 'both made one');
  });

  test('is not used when the window that made it was killed half way', async () => {
    await carrying();
    const killed = window();
    await once(killed.stdout ?? assert.fail(), 'data');
    while ((await environments()).length === 0) {
      await sleep(5);
    }
    process.kill(killed.pid ?? assert.fail(), 'SIGKILL');
    await once(killed, 'close');
    const [half] = await environments();
    const environment = await get();
    assert.notEqual(path.basename(environment.folder), half);
    assert.equal(version(environment), `meaning-ls ${VERSION}`);
  });
});

function packages({ folder: environment }: Environment, name: string): string {
  const lib = `python${python.version.join('.')}`;
  return path.join(environment, ...(process.platform === 'win32' ? ['Lib'] : ['lib', lib]), 'site-packages', name);
}

function window(): ChildProcess {
  const file = path.join(__dirname, 'window.ts');
  return spawn(process.execPath, ['--import', 'tsx', file, folder, root, python.executable]);
}

async function output(child: ChildProcess): Promise<string[]> {
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(child, 'close');
  return text.trim().split('\n');
}

/** The real uv, which `make` has brought along. */
const UV = process.env['MEANING_TEST_UV'] ?? '';
const withUv = {
  timeout: MINUTES * 60_000,
  skip: UV === '' && '******** without MEANING_TEST_UV, uv is not tried ********',
};

describe('with uv', withUv, () => {
  const uv = { UV_CACHE_DIR: '', UV_NO_CONFIG: '1', UV_INDEX_URL: 'http://127.0.0.1:9/simple', UV_HTTP_TIMEOUT: '1' };
  beforeEach(async () => {
    await symlink(UV, path.join(bin, 'uv'));
    uv.UV_CACHE_DIR = path.join(bin, 'cache');
  });

  test('an environment is made by it, without pip', async () => {
    await carrying();
    const environment = await get({ env: uv });
    assert.equal(version(environment), `meaning-ls ${VERSION}`);
    assert.ok(
      log.some((line) => line.startsWith(`$ ${path.join(bin, 'uv')} pip install `)),
      log.join('\n'),
    );
    assert.ok(!existsSync(packages(environment, 'pip')));
  });

  test('what is missing is told', async () => {
    await carrying({ requirements: ['tiny_engine', 'not_carried'] });
    assert.match((await fails('no-package', { env: { ...uv, UV_INDEX_URL: `file://${bin}` } })).about, /not.carried/);
  });

  test('a network that is missing is told', async () => {
    await carrying({ complete: false, requirements: ['numpy'] });
    await fails('no-network', { env: uv });
  });

  test('a machine without Python and network has none', async () => {
    await carrying();
    await fails('no-python', { pythons: [], env: { ...uv, UV_OFFLINE: '1', HOME: bin } });
  });
});

describe('no environment', { timeout: MINUTES * 60_000 }, () => {
  test('without Python', async () => {
    await carrying();
    assert.equal((await fails('no-python', { pythons: [] })).about, '');
  });

  test('with Python 3.9 alone, which is named', async () => {
    await carrying();
    await program('python3', answer([3, 9]));
    assert.match((await fails('no-python', { pythons: [] })).about, /Python 3\.9 \(.*python3\)/);
  });

  test('without a network, when packages have to be fetched', async () => {
    await carrying({ complete: false, requirements: ['numpy'] });
    await fails('no-network', {
      env: {
        PIP_INDEX_URL: 'http://127.0.0.1:9/simple',
        PIP_RETRIES: '0',
        PIP_NO_CACHE_DIR: '1',
        PIP_CONFIG_FILE: '/dev/null',
        PIP_FIND_LINKS: '',
      },
    });
  });

  test('when there is no package for this Python', async () => {
    await carrying({ requirements: ['tiny_engine', 'not_carried'] });
    const env = {
      PIP_NO_INDEX: '1',
      PIP_INDEX_URL: `file://${folder}`,
      PIP_EXTRA_INDEX_URL: '',
      PIP_CONFIG_FILE: '/dev/null',
    };
    assert.equal((await fails('no-package', { env })).about, 'not_carried');
  });

  test('when pip fails half way', async () => {
    await carrying();
    await writeFile(path.join(folder, 'tiny_engine-1.0-py3-none-any.whl'), 'half a whe');
    assert.ok((await fails('other')).about);
  });

  test(
    'when the disk is full',
    { skip: canMount() ? false : 'a small disk can be mounted by root on Linux alone' },
    async () => {
      await carrying();
      await mkdir(root);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', root]);
      try {
        await fails('disk-full');
      } finally {
        execFileSync('umount', [root]);
      }
    },
  );

  test('when the storage cannot be written', async () => {
    await carrying();
    await writeFile(root, 'a file in its place');
    const failure = await get().catch((error: unknown) => error);
    assert.ok(failure instanceof Error);
  });

  test('when the server prints garbage', async () => {
    await carrying({ program: 'print("\\x00\\xff garbage")' });
    assert.match((await fails('does-not-work')).about, /garbage/);
  });

  test('when the server fails', async () => {
    await carrying({ program: 'raise ImportError("libgomp.so.1: cannot open shared object file")' });
    assert.match((await fails('does-not-work')).about, /libgomp/);
  });

  test('when the server never answers', async () => {
    await carrying({ program: 'import time; time.sleep(1000)' });
    await fails('took-too-long', { patience: 0.02 });
  });

  test('when it is cancelled: pip and what it started end with it', async () => {
    await carrying();
    const file = path.join(bin, 'pid');
    const who = answer([python.version[0], python.version[1]], { executable: path.join(bin, 'slow') });
    const slow = await program(
      'slow',
      `case "$*" in *venv*) /bin/sleep 1000 & echo $! > ${file}; wait;; *) ${who};; esac`,
    );
    const stop = new AbortController();
    const getting = get({ pythons: [slow], signal: stop.signal });
    while (!existsSync(file)) {
      await sleep(10);
    }
    stop.abort();
    await assert.rejects(getting, { name: 'AbortError' });
    const pid = (await readFile(file, 'utf8')).trim();
    while (isRunning(pid)) {
      await sleep(10); // until the test's time is up
    }
    assert.deepEqual(await environments(), []);
    assert.deepEqual(await readdir(root), [], 'the lock is held');
  });
});

function canMount(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0;
}

function isRunning(pid: string): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', pid], { encoding: 'utf8' });
  return !/^Z?\s*$/.test(stdout); // a zombie has ended
}

describe('Pythons', () => {
  const find = (carried = (_: Python): boolean => false): ReturnType<typeof findPythons> =>
    findPythons([], carried, {
      signal: new AbortController().signal,
      env: { PATH: `relative:${bin}:/nowhere`, HOME: bin },
    });

  test('of no use are told, with the reason', async () => {
    await program('python3', answer([3, 9]));
    await program('python3.11', answer([3, 11], { implementation: 'pypy' }));
    await program('python3.12', answer([3, 12], { bits: 32 }));
    await program('python3.13', answer([3, 13], { free: true }));
    await program('python3.14', 'echo Python was not found; exit 9');
    await program('python', 'echo 2.7; exit 0');
    const { fit, unfit } = await find();
    assert.deepEqual(fit, []);
    const reasons = Object.fromEntries(unfit.map(({ executable, reason }) => [path.basename(executable), reason]));
    assert.deepEqual(reasons, {
      python3: 'Python 3.9',
      'python3.11': 'pypy 3.11',
      'python3.12': 'Python 3.12, 32 bits',
      'python3.13': 'Python 3.13, free-threaded',
      'python3.14': 'cannot be run',
      python: 'cannot be run',
    });
  });

  test('for which wheels are carried come first, those too new for packages last', async () => {
    await program('python3', answer([3, 15]));
    await program('python3.12', answer([3, 12]));
    await program('python3.13', answer([3, 13]));
    const { fit } = await find((one) => one.version[1] === 12);
    assert.deepEqual(
      fit.map((one) => one.version[1]),
      [12, 13, 15],
    );
  });

  test('that several names lead to are one', async () => {
    await symlink(python.executable, path.join(bin, 'python3'));
    await symlink(python.executable, path.join(bin, 'python'));
    assert.equal((await find()).fit.length, 1);
  });
});

describe('what went wrong', () => {
  // Words of pip 26, uv 0.13 and the systems.
  const said: [Kind, string][] = [
    ['disk-full', 'ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device'],
    ['disk-full', 'error: failed to copy file: No space left on device (os error 28)'],
    ['disk-full', 'OSError: [Errno 28] There is not enough space on the disk'],
    [
      'no-network',
      "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(...)': /simple/numpy/\nERROR: No matching distribution found for numpy>=1.26",
    ],
    [
      'no-network',
      'error: Request failed after 3 retries\n  Caused by: error sending request for url (https://example.org/simple/numpy/)\n  Caused by: dns error',
    ],
    [
      'certificate',
      'SSLError(SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate"))',
    ],
    ['no-package', 'ERROR: No matching distribution found for onnxruntime<2,>=1.20'],
    ['no-venv', '/usr/bin/python3: No module named venv'],
    ['not-allowed', "Error: EACCES: permission denied, mkdir '/home/me/.vscode'"],
    ['other', 'Traceback (most recent call last):\n  File "x"\nValueError: something else\n'],
  ];
  for (const [kind, words] of said) {
    test(`${kind}: ${words.slice(0, 60).replaceAll('\n', ' ')}`, () => {
      assert.equal(understand(words).kind, kind);
    });
  }

  test('is told by the line that says it', () => {
    assert.equal(
      understand('Traceback (most recent call last):\nValueError: something else\n').about,
      'ValueError: something else',
    );
  });
});

describe('a program', () => {
  test('that talks without end neither fills the memory nor blocks', async () => {
    const endless = await program('endless', 'yes x | head -c 5000000; echo; echo last');
    let heard = 0;
    const limits = { time: 30_000, signal: new AbortController().signal, hear: () => (heard += 1) };
    const { code, output: kept } = await run(endless, [], limits);
    assert.equal(code, 0);
    assert.ok(kept.length <= 70_000 && kept.endsWith('last\n'));
    assert.ok(heard > 1_000_000);
  });

  test('that does not listen is killed when its time is up', async () => {
    const deaf = await program('deaf', "trap '' TERM; while :; do sleep 1; done");
    const { how } = await run(deaf, [], { time: 200, signal: new AbortController().signal });
    assert.equal(how, 'late');
  });

  test('that is not there is told', async () => {
    const { how } = await run(path.join(bin, 'nothing'), [], { time: 1000, signal: new AbortController().signal });
    assert.equal(how, 'missing');
  });
});
