/**
 * Wheels for tests: a server and packages of a few lines, so that real Pythons and the real pip install them in a second.
 *
 * Takes what the server's program shall be, gives a folder like the one that the extension carries.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ask, type Python } from '../../src/environment/python.js';

export const VERSION = '1.2.3';

/** Answers as the real one does when it works. */
export const WORKING = `
import sys
import tiny_engine
print("meaning-ls ${VERSION}" if "--version" in sys.argv else "send_receipt")
`;

// Builds a wheel of one package, and takes the pip that comes with Python (or fetches one).
const BUILD = `
import glob, json, pathlib, subprocess, sys, zipfile
folder, packages = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
for name, version, files, needed in packages:
    info = f"{name}-{version}.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n"
        + "".join(f"Requires-Dist: {line}\\n" for line in needed),
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    record = "".join(f"{path},,\\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in (files | {f"{info}/RECORD": record}).items():
            wheel.writestr(path, text)
try:
    import ensurepip
    bundled = glob.glob(str(pathlib.Path(ensurepip.__file__).parent / "_bundled" / "pip-*.whl"))
except ImportError:
    bundled = []
if bundled:
    (folder / pathlib.Path(bundled[0]).name).write_bytes(pathlib.Path(bundled[0]).read_bytes())
else:
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "pip"], check=True)
print(next(folder.glob("pip-*.whl")).name)
`;

/** The Python that runs the tests' programs. `make` says which; on its own, the one in PATH is taken. */
export async function testPython(): Promise<Python> {
  const named = process.env['MEANING_TEST_PYTHON'] ?? 'python3';
  const executable = execFileSync(named, ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
  const python = await ask(executable, { signal: new AbortController().signal });
  if ('reason' in python) {
    throw new Error(`the tests need Python 3.11 or newer, and ${executable} is of no use: ${python.reason}`);
  }
  return python;
}

export interface Contents {
  /** The text of lsp_server/__main__.py. */
  program: string;
  version?: string;
  requirements?: string[];
  /** For which Pythons this needs no network. */
  complete?: boolean;
}

/** Fill a folder with a server and describe it. */
export async function carry(folder: string, python: Python, contents: Contents): Promise<void> {
  const version = contents.version ?? VERSION;
  const { requirements = ['tiny_engine'] } = contents;
  await mkdir(folder, { recursive: true });
  const packages = [
    ['meaning_ls', version, { 'lsp_server/__init__.py': '', 'lsp_server/__main__.py': contents.program }, requirements],
    ['tiny_engine', '1.0', { 'tiny_engine/__init__.py': '' }, []],
  ];
  const pip = execFileSync(python.executable, ['-c', BUILD, folder, JSON.stringify(packages)], { encoding: 'utf8' });
  const description = {
    version,
    wheel: `meaning_ls-${version}-py3-none-any.whl`,
    pip: pip.trim(),
    requirements,
    optional: [],
    complete: { platform: python.platform, pythons: contents.complete === false ? [] : [python.version.join('.')] },
    program: contents.program,
  };
  await writeFile(path.join(folder, 'server.json'), JSON.stringify(description));
}
