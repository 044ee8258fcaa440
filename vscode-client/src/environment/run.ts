/**
 * Run: another program, run to its end, its time or its cancellation.
 *
 * Takes a command line and limits, gives how it ended and the end of what it said. Whatever it has started itself ends
 * with it. Knows nothing of Python and nothing of VS Code.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';

/** Of the output, this many characters are kept, from its end: errors stand there. */
const KEPT = 64 * 1024;
/** How long a process has to end by itself before it is killed, in milliseconds. */
const GOODBYE = 2000;

export interface Limits {
  /** After this time the program is ended, in milliseconds. */
  readonly time: number;
  readonly signal: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Is told each line, of both streams, without its end. */
  readonly hear?: (line: string) => void;
}

export interface Ended {
  /** `missing`: there was nothing to run. `late`: its time was up. */
  readonly how: 'ended' | 'late' | 'missing';
  /** The exit code, -1 when there is none. */
  readonly code: number;
  /** Both streams, at most the last 64 K characters. */
  readonly output: string;
}

/** Run a program. Throws the signal's reason when it was aborted, after the program and its children have ended. */
export async function run(command: string, args: readonly string[], limits: Limits): Promise<Ended> {
  limits.signal.throwIfAborted();
  const ended = await new Promise<Ended>((resolve) => {
    let output = '';
    let late = false;
    // A group of its own, so that all of it can be ended at once; Windows has no groups, and would open a console.
    const child = spawn(command, [...args], {
      cwd: limits.cwd,
      env: limits.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
      windowsHide: true,
    });
    const stop = (): void => {
      end(child);
    };
    const clock = setTimeout(() => {
      late = true;
      stop();
    }, limits.time);
    limits.signal.addEventListener('abort', stop, { once: true });
    const finish = (how: Ended['how'], code: number, last = ''): void => {
      clearTimeout(clock);
      limits.signal.removeEventListener('abort', stop);
      resolve({ how: late ? 'late' : how, code, output: output + last });
    };
    for (const stream of [child.stdout, child.stderr]) {
      const lines = new Lines(limits.hear);
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => {
        output = (output + text).slice(-KEPT);
        lines.add(text);
      });
      stream.on('end', () => {
        lines.flush();
      });
    }
    child.once('error', (error) => {
      finish('missing', -1, String(error));
    });
    child.once('close', (code) => {
      finish('ended', code ?? -1);
    });
  });
  limits.signal.throwIfAborted();
  return ended;
}

/** Cuts a stream into lines; a carriage return, by which progress bars paint over themselves, ends one too. */
class Lines {
  private rest = '';

  constructor(private readonly hear: ((line: string) => void) | undefined) {}

  add(text: string): void {
    const lines = (this.rest + text).split(/\r\n|\n|\r/);
    // A program without line ends must not fill the memory.
    this.rest = (lines.pop() ?? '').slice(-KEPT);
    lines.forEach((line) => {
      this.tell(line);
    });
  }

  flush(): void {
    this.tell(this.rest);
    this.rest = '';
  }

  private tell(line: string): void {
    if (line.trim()) {
      this.hear?.(line.trimEnd());
    }
  }
}

/** End a process and its children: asked first, killed when it does not listen. */
function end(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) {
    return;
  }
  if (process.platform === 'win32') {
    execFile('taskkill', ['/pid', String(pid), '/T', '/F'], { windowsHide: true }, () => undefined);
    return;
  }
  signalGroup(pid, 'SIGTERM');
  const killing = setTimeout(() => {
    signalGroup(pid, 'SIGKILL');
  }, GOODBYE);
  child.once('close', () => {
    clearTimeout(killing);
  });
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}
