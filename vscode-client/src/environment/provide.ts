/**
 * Provide: an environment that works, the one that is there or a new one.
 *
 * Takes what the extension carries, the store and the user's wishes, gives an environment. A start looks quickly; a
 * repair tries everything out. However many windows ask, one makes it and the others wait. Throws `Failure`, or the
 * signal's reason when aborted. Knows nothing of VS Code.
 */
import { isComplete } from './carried.js';
import { Failure } from './failure.js';
import { check, install, look, type Step, type Surroundings } from './install.js';
import { findPythons, fromUv, which } from './python.js';
import type { Environment } from './store.js';

export interface Wishes {
  /** 'repair' when the environment that was given last did not work. */
  reason: 'start' | 'repair';
  /** Interpreters to be taken before those of PATH; asked for only when one is needed. */
  pythons: () => Promise<string[]>;
  /** Has the user see the steps of long work. */
  show: (work: (tell: (step: Step) => void) => Promise<Environment>) => PromiseLike<Environment>;
}

/** Give an environment that works. */
export async function provide(wishes: Wishes, around: Surroundings): Promise<Environment> {
  return (await usable(wishes.reason, around)) ?? (await wishes.show((tell) => make(wishes, around, tell)));
}

/** The newest environment if it works; one that does not is discarded. */
async function usable(reason: Wishes['reason'], around: Surroundings): Promise<Environment | undefined> {
  const environment = await around.store.newest();
  if (environment === undefined) {
    return undefined;
  }
  try {
    await (reason === 'start' ? look(environment, around) : check(environment, around));
    return environment;
  } catch (error) {
    around.signal.throwIfAborted();
    around.log(`${environment.folder} does not work and is made anew: ${String(error)}`);
    await around.store.discard(environment);
    return undefined;
  }
}

function make(wishes: Wishes, around: Surroundings, tell: (step: Step) => void): Promise<Environment> {
  return around.store.alone(
    () => makeAlone(wishes, around, tell),
    () => around.store.newest(),
    () => {
      tell({ kind: 'waiting' });
    },
    around.signal,
  );
}

async function makeAlone(wishes: Wishes, around: Surroundings, tell: (step: Step) => void): Promise<Environment> {
  const limits = { signal: around.signal, env: around.env };
  const [uv] = await which('uv', around.env);
  const found = await findPythons(await wishes.pythons(), (python) => isComplete(around.carried, python), limits);
  for (const { executable, version } of found.fit) {
    around.log(`found ${executable}, Python ${version.join('.')}`);
  }
  for (const { executable, reason } of found.unfit) {
    around.log(`found ${executable}, of no use: ${reason}`);
  }
  let pythons = found.fit;
  if (pythons.length === 0 && uv !== undefined) {
    tell({ kind: 'python' });
    pythons = await fromUv(uv, { ...limits, hear: around.log });
  }
  if (pythons.length === 0) {
    throw new Failure('no-python', found.unfit.map(({ executable, reason }) => `${reason} (${executable})`).join(', '));
  }
  const environment = await install(pythons, uv, { ...around, tell });
  await around.store.tidy(environment);
  return environment;
}
