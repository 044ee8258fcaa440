/**
 * Filter tokens in a question: what could follow what is being typed, and tokens switched on and off.
 *
 * Knows the grammar of the server's tokens (docs/protocol.md), not what they mean. No VS Code in here.
 */

/** Kinds of symbols in the engine's words, the frequent ones first. */
export const KINDS = [
  'function', 'method', 'class', 'test', 'interface', 'struct', 'enum', 'type', 'trait', 'constant', 'variable',
  'property', 'field', 'constructor', 'module', 'namespace', 'package', 'macro', 'section', 'key', 'block', 'cell',
  'object', 'table', 'rule', 'element', 'union', 'file',
] as const; // prettier-ignore

/** Languages whose files are taken apart into symbols. Any other id may be typed as well. */
export const LANGUAGES = [
  'c', 'cpp', 'csharp', 'css', 'cuda-cpp', 'dart', 'elixir', 'go', 'haskell', 'html', 'java', 'javascript',
  'javascriptreact', 'json', 'jsonc', 'julia', 'kotlin', 'lua', 'markdown', 'mdx', 'ocaml', 'ocaml.interface', 'php',
  'powershell', 'python', 'ruby', 'rust', 'scala', 'shellscript', 'sql', 'starlark', 'swift', 'toml', 'typescript',
  'typescriptreact', 'yaml', 'zig',
] as const; // prettier-ignore

/** Globs of files that hold tests, in the conventions of the languages above. */
export const TESTS: readonly string[] = [
  'test/', 'tests/', '__tests__/', 'spec/', 'specs/', 'testing/', 'testdata/',
  'test_*', '*_test.*', '*_tests.*', '*.test.*', '*.spec.*', '*_spec.*', '*Test.*', '*Tests.*', 'conftest.py',
]; // prettier-ignore

/** The keys of tokens; those in `BARE` have no value. */
export const KEYS = ['kind', 'lang', 'in', 'path', '-path', 'name', 'changed', 'open'] as const;
const BARE: readonly string[] = ['changed', 'open'];

export type Key = (typeof KEYS)[number];

/** A token that is being typed at the end of a question: `kind:fu`. */
export interface Unfinished {
  key: Key;
  /** What stands after the colon, without quotes. */
  value: string;
  /** Where the token begins. */
  start: number;
}

/** Return the token at the end of a question, undefined when words stand there. */
export function unfinished(question: string): Unfinished | undefined {
  const found = /(?:^|\s)(-?\w+):("[^"]*|[^\s"]*)$/.exec(question);
  if (found === null) {
    return undefined;
  }
  const [whole, key = '', value = ''] = found;
  if (!isKey(key) || BARE.includes(key)) {
    return undefined;
  }
  return { key, value: value.replace(/^"/, ''), start: found.index + whole.search(/\S/) };
}

/** Return which of `values` could be meant by what is typed: those that begin with it, then those that hold it. */
export function matching(values: readonly string[], typed: string): string[] {
  const wanted = typed.toLowerCase();
  const begins = values.filter((value) => value.toLowerCase().startsWith(wanted));
  const holds = values.filter((value) => !begins.includes(value) && value.toLowerCase().includes(wanted));
  return [...begins, ...holds];
}

/** Put a value in the place of an unfinished token; the cursor can go on behind it, or within a folder's path. */
export function complete(question: string, token: Unfinished, value: string): string {
  const end = value.endsWith('/') ? '' : ' ';
  return question.slice(0, token.start) + write(token.key, value) + end;
}

/** Return a token as it is typed. */
export function write(key: Key, value = ''): string {
  return `${key}:${/\s/.test(value) ? `"${value}"` : value}`;
}

/** Return whether a question holds a token. */
export function has(question: string, token: string): boolean {
  return words(question).includes(token);
}

/** Take a token out of a question, or put it in front where it is missing. */
export function toggle(question: string, token: string): string {
  return has(question, token)
    ? words(question).filter((word) => word !== token).join(' ') // prettier-ignore
    : with_(question, token);
}

/** Begin to type a token at the end of a question. */
export function begin(question: string, key: Key): string {
  return question === '' || question.endsWith(' ') ? `${question}${key}:` : `${question} ${key}:`;
}

/**
 * Return code as words of a question: no quotes, which would have to appear literally, and nothing that reads as a token.
 * At most `limit` characters.
 */
export function asWords(code: string, limit: number): string {
  return code
    .replaceAll('"', ' ')
    .replace(/(^|\s)(-?\w+):/g, (whole, before: string, key: string) => (isKey(key) ? `${before}${key} : ` : whole))
    .slice(0, limit)
    .trim();
}

function with_(question: string, token: string): string {
  return `${token} ${question.trimStart()}`;
}

/** Split at blanks outside of quotes. */
function words(question: string): string[] {
  return question.match(/(?:"[^"]*"|\S)+/g) ?? [];
}

function isKey(key: string): key is Key {
  return (KEYS as readonly string[]).includes(key);
}
