/**
 * Failure: why there is no server, as a kind that can be told in any language.
 *
 * Takes what pip, uv or the system said, gives the kind of trouble it was. The sentences are in sentences.ts.
 */

export type Kind =
  | 'no-python'
  | 'no-venv'
  | 'no-network'
  | 'certificate'
  | 'disk-full'
  | 'not-allowed'
  | 'no-package'
  | 'took-too-long'
  | 'does-not-work'
  | 'bad-server-path'
  | 'packaged-without-server'
  | 'other';

export class Failure extends Error {
  constructor(
    readonly kind: Kind,
    /** What the sentence names: a path, a package, or the last words of a program. */
    readonly about = '',
  ) {
    super(about ? `${kind}: ${about}` : kind);
    this.name = 'Failure';
  }
}

// The first that fits counts: a full disk causes other complaints too. Words of pip, of uv and of the systems.
const SIGNS: readonly (readonly [Kind, RegExp])[] = [
  ['disk-full', /no space left|ENOSPC|os error 28\b|errno 28\b|not enough space|os error 112\b|quota exceeded|EDQUOT/i],
  ['certificate', /CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer|self.signed certificate/i],
  [
    'no-network',
    new RegExp(
      [
        'name resolution',
        'getaddrinfo',
        'nodename nor servname',
        'dns error',
        'failed to establish a new connection',
        'NewConnectionError',
        'error sending request',
        'connection (?:refused|reset|aborted|timed out)',
        'network is unreachable',
        'network connectivity is disabled',
        'read timed out',
        'ReadTimeoutError',
        'ConnectTimeout',
        'ProxyError',
        'tunnel',
        'operation timed out',
      ].join('|'),
      'i',
    ),
  ],
  ['no-venv', /No module named '?(?:venv|ensurepip|pip)\b|ensurepip is not available/i],
  ['not-allowed', /EACCES|EPERM|EROFS|permission denied|access is denied|read-only file system/i],
  ['no-package', /No matching distribution found for|no solution found when resolving/i],
];

/** Understand the output of a program that failed, or the message of an error. */
export function understand(output: string): Failure {
  for (const [kind, sign] of SIGNS) {
    if (sign.test(output)) {
      return new Failure(kind, kind === 'no-package' ? packageIn(output) : '');
    }
  }
  return new Failure('other', lastWords(output));
}

function packageIn(output: string): string {
  const words = /No matching distribution found for ([\w.-]+)|Because ([\w.-]+) was not found/.exec(output);
  return words?.[1] ?? words?.[2] ?? lastWords(output);
}

/** The line that most likely says what went wrong, short enough for a message. */
export function lastWords(output: string): string {
  const lines = output
    .split(/\r\n|\n|\r/)
    .map((line) => line.trim())
    .filter((line) => line);
  const error = lines.reverse().find((line) => /^(?:\w*error|fatal)\b/i.test(line));
  return (error ?? lines[0] ?? '').slice(0, 200);
}
