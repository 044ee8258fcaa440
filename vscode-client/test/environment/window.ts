/**
 * A window, as far as the environment is concerned: a process that wants one. Told on its command line where, it prints
 * the environment's folder, or why there is none.
 */
import { readCarried } from '../../src/environment/carried.js';
import { cleaned } from '../../src/environment/install.js';
import { provide, type Wishes } from '../../src/environment/provide.js';
import { Store } from '../../src/environment/store.js';

async function main([folder = '', root = '', python = '']: string[]): Promise<void> {
  const carried = await readCarried(folder);
  const show: Wishes['show'] = (work) =>
    work((step) => {
      console.log(step.kind);
    });
  const environment = await provide(
    { reason: 'start', pythons: () => Promise.resolve([python]), show },
    {
      carried,
      store: new Store(root, carried),
      env: cleaned({ ...process.env, PATH: '' }, ''),
      patience: 1,
      signal: new AbortController().signal,
      log: () => undefined,
    },
  );
  console.log(environment.folder);
}

void main(process.argv.slice(2));
