// Collects the sentences of src/ that are translated, into l10n/bundle.l10n.json: what a translator starts from.
// With --check it writes nothing and fails when the file is not up to date.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

const FILE = 'l10n/bundle.l10n.json';
const CALL = /\b(?:l10n\.)?t\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g;

const sources = (await readdir('src', { recursive: true })).filter((name) => name.endsWith('.ts'));
const sentences = new Set();
for (const name of sources.sort()) {
  const text = await readFile(path.join('src', name), 'utf8');
  for (const [, quote, sentence] of text.matchAll(CALL)) {
    if (quote === '`') {
      throw new Error(`${name}: a template cannot be translated: ${sentence}`);
    }
    sentences.add(sentence.replace(/\\(.)/g, '$1'));
  }
}
const bundle = `${JSON.stringify(Object.fromEntries([...sentences].sort().map((one) => [one, one])), undefined, 2)}\n`;
if (process.argv.includes('--check')) {
  if ((await readFile(FILE, 'utf8').catch(() => '')) !== bundle) {
    throw new Error(`${FILE} is not what the sources say; run: npm run l10n`);
  }
} else {
  await writeFile(FILE, bundle);
}
