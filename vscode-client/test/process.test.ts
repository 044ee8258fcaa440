import assert from 'node:assert/strict';
import { test } from 'node:test';

import { startProcess, telling } from '../src/process.js';

const node = (script: string): { command: string; args: string[] } => ({
  command: process.execPath,
  args: ['-e', script],
});

test('a program that is not there is told by the system', async () => {
  await assert.rejects(
    startProcess({ command: '/nowhere/meaning-ls', args: [] }, () => undefined),
    /ENOENT/,
  );
});

test('messages pass through, and the log goes line by line', async () => {
  const lines: string[] = [];
  const script = `process.stderr.write('one\\ntwo\\n'); process.stdin.pipe(process.stdout)`;
  const child = await startProcess(node(script), (line) => lines.push(line));
  child.writer.write('Content-Length: 2\r\n\r\n{}');
  const [chunk] = (await Promise.race([once(child.reader), child.ended])) as [Buffer];
  assert.equal(chunk.toString(), 'Content-Length: 2\r\n\r\n{}');
  child.kill();
  const ending = await child.ended;
  assert.deepEqual(ending.tail, ['one', 'two']);
  assert.deepEqual(lines, ['one', 'two']);
  assert.equal(ending.garbage, undefined);
  assert.equal(ending.code, 'SIGKILL');
});

test('a program that prints anything else is ended', async () => {
  const child = await startProcess(
    node(`console.log('Welcome to nothing'); setInterval(() => 0, 1000)`),
    () => undefined,
  );
  const ending = await child.ended;
  assert.match(ending.garbage ?? '', /^Welcome to nothing/);
});

test('an end is explained by the last error of the log', async () => {
  const script = `console.error('INFO start'); console.error('ModuleNotFoundError: no module'); console.error('bye'); process.exit(3)`;
  const child = await startProcess(node(script), () => undefined);
  const ending = await child.ended;
  assert.equal(ending.code, 3);
  assert.equal(telling(ending.tail), 'ModuleNotFoundError: no module');
  assert.equal(telling(['a', ' b ', '']), 'b');
  assert.equal(telling([]), '');
});

test('writing to a process that has gone is no crash', async () => {
  const child = await startProcess(node('process.exit(0)'), () => undefined);
  await child.ended;
  child.writer.write('Content-Length: 2\r\n\r\n{}');
  child.kill();
});

function once(stream: NodeJS.ReadableStream): Promise<[Buffer]> {
  return new Promise((resolve) => {
    stream.once('data', (chunk: Buffer) => {
      resolve([chunk]);
    });
  });
}
