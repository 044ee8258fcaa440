/**
 * How a symbol reads in a list: its icon, its line, why it is there. Text in, text out.
 */
import type { Match, SemanticSymbol } from './protocol.js';

/** Names of VS Code's icons, by LSP's SymbolKind (1 to 26). */
const ICONS = [
  'file', 'module', 'namespace', 'package', 'class', 'method', 'property', 'field', 'constructor', 'enum', 'interface',
  'function', 'variable', 'constant', 'string', 'number', 'boolean', 'array', 'object', 'key', 'null', 'enum-member',
  'struct', 'event', 'operator', 'type-parameter',
]; // prettier-ignore

const MATCH_ICONS: Record<Match, string> = {
  meaning: 'sparkle',
  words: 'whole-word',
  name: 'symbol-key',
  mixed: 'sparkle',
};

/** Return the name of the icon and of its colour. */
export function iconOf(kind: number): { id: string; color: string } {
  const name = ICONS[kind - 1] ?? 'misc';
  const camel = name.replace(/-(\w)/g, (_whole, letter: string) => letter.toUpperCase());
  const color = name === 'enum-member' ? 'enumeratorMember' : name === 'enum' ? 'enumerator' : camel;
  return { id: `symbol-${name}`, color: `symbolIcon.${color}Foreground` };
}

/** Return the line of a symbol's name, from 1; undefined in a notebook, whose file nobody reads by its lines. */
export function lineOf(symbol: SemanticSymbol): number | undefined {
  return symbol.location.uri.endsWith('.ipynb') ? undefined : symbol.selectionRange.start.line + 1;
}

/** Return where a symbol stands: "Session · src/http/session.py:120". */
export function placeOf(symbol: SemanticSymbol, path: string): string {
  const line = lineOf(symbol);
  const place = line === undefined ? path : `${path}:${line}`;
  return symbol.containerName === undefined ? place : `${symbol.containerName} · ${place}`;
}

/** Return the first sentence of a symbol's documentation, or the line that says most of it. */
export function aboutOf(symbol: SemanticSymbol): string {
  return withoutIcons((symbol.detail ?? symbol.preview).trim());
}

/** Return why a symbol matched, and what it is. */
export function detailOf(symbol: SemanticSymbol, how: Record<Match, string>): string {
  return `$(${MATCH_ICONS[symbol.match]}) ${how[symbol.match]}  ${aboutOf(symbol)}`;
}

/** Return a text in which VS Code sees no icons: `$(document)` is jQuery, not a picture. */
export function withoutIcons(text: string): string {
  return text.replace(/\$(?=\([\w~-]+\))/g, '$\u200b');
}

/** Return what tells two rows apart, also when a longer list takes the place of a shorter one. */
export function identity(symbol: SemanticSymbol): string {
  const { line, character } = symbol.selectionRange.start;
  return `${symbol.location.uri}#${line}:${character}`;
}
