/**
 * The server's process: spawned, its log read, its end explained.
 *
 * Knows no protocol beyond the first bytes, by which a program that is no language server gives itself away.
 */
import { spawn } from 'node:child_process';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { createInterface } from 'node:readline';

/** Lines of the server's log that are kept to explain its end. */
const KEPT_LINES = 20;
/** Milliseconds that are waited for them. */
const LAST_LINES = 300;
const HEADER = 'Content-';

export interface Program {
  command: string;
  args: string[];
  env?: NodeJS.ProcessEnv;
}

/** How a process ended. */
export interface Ending {
  /** Exit code or name of the signal. */
  code: number | string | null;
  /** The last lines of its log. */
  tail: readonly string[];
  /** The beginning of what it printed, when that was no message. */
  garbage?: string;
}

export interface ServerProcess {
  reader: Readable;
  writer: Writable;
  ended: Promise<Ending>;
  kill(): void;
}

/** Start a program; each line of its stderr goes to `log`. Rejects with the system's error when it cannot be started. */
export function startProcess(program: Program, log: (line: string) => void): Promise<ServerProcess> {
  return new Promise((resolve, reject) => {
    const child = spawn(program.command, program.args, {
      env: { ...process.env, ...program.env },
      stdio: 'pipe',
      windowsHide: true,
    });
    const tail: string[] = [];
    let garbage: string | undefined;
    createInterface(child.stderr).on('line', (line) => {
      tail.push(line);
      tail.splice(0, tail.length - KEPT_LINES);
      log(line);
    });
    const kill = (): void => void child.kill('SIGKILL');
    const reader = new PassThrough();
    child.stdout.once('data', (chunk: Buffer) => {
      const start = chunk.toString('utf8', 0, 200);
      if (!start.startsWith(HEADER.slice(0, start.length))) {
        garbage = start;
        kill();
      }
    });
    child.stdout.pipe(reader);
    child.stdin.on('error', () => undefined); // the end of the process is told by `ended`
    const ended = new Promise<Ending>((end) => {
      child.once('exit', (code, signal) => {
        const tell = (): void => {
          reader.end();
          end({ code: code ?? signal, tail, ...(garbage === undefined ? {} : { garbage }) });
        };
        // The last lines of the log come after the end; never, if a child of its own holds the pipe open.
        const timer = setTimeout(tell, LAST_LINES);
        child.once('close', () => {
          clearTimeout(timer);
          tell();
        });
      });
    });
    child.once('error', reject);
    child.once('spawn', () => {
      resolve({ reader, writer: child.stdin, ended, kill });
    });
  });
}

/** Return the line of a log that says most about an end: the last error, or the last line. */
export function telling(tail: readonly string[]): string {
  const isError = (line: string): boolean => /\b(?:error|exception|failed|denied)\b|\w+Error\b/i.test(line);
  const line = tail.findLast(isError) ?? tail.findLast((one) => one.trim() !== '') ?? '';
  return line.trim().slice(0, 300);
}
