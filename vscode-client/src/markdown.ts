/**
 * Results as Markdown, to be pasted into an issue, a chat or notes. No VS Code in here.
 */
import type { SemanticSymbol } from './protocol.js';
import { lineOf } from './rows.js';

export interface Group {
  /** Path of the file, for people. */
  path: string;
  symbols: readonly SemanticSymbol[];
}

/** Write rows as a list, grouped by file, under the question that found them. */
export function toMarkdown(title: string, groups: readonly Group[]): string {
  const parts = groups.map(({ path, symbols }) => [`- ${code(path)}`, ...symbols.map(line)].join('\n'));
  return `### ${escape(title)}\n\n${parts.join('\n')}\n`;
}

function line(symbol: SemanticSymbol): string {
  const name = symbol.containerName === undefined ? symbol.name : `${symbol.containerName}.${symbol.name}`;
  const at = lineOf(symbol);
  const about = symbol.detail === undefined ? '' : `: ${escape(symbol.detail)}`;
  return `  - ${at === undefined ? '' : `line ${at}, `}${code(name)}${about}`;
}

/** Put a text in as many backticks as it needs. */
function code(text: string): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  return longest === 0 ? `${fence}${text}${fence}` : `${fence} ${text} ${fence}`;
}

function escape(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\\`*_[\]<>#|]/g, (mark) => `\\${mark}`);
}
