/** package.json, its strings and the code say the same. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const manifest = readFileSync('package.json', 'utf8');
const strings = JSON.parse(readFileSync('package.nls.json', 'utf8')) as Record<string, string>;
const { contributes, capabilities } = JSON.parse(manifest) as {
  capabilities: { untrustedWorkspaces: { restrictedConfigurations: string[] } };
  contributes: {
    commands: { command: string }[];
    keybindings: { command: string }[];
    menus: Record<string, { command: string }[]>;
    configuration: { properties: Record<string, { scope: string }> };
    walkthroughs: { steps: { media: { image: string } }[] }[];
  };
};
const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(`src/${name}`, 'utf8'))
  .join('\n');
const commands = contributes.commands.map(({ command }) => command);

test('each string of the manifest is there, and each is used', () => {
  const used = new Set([...manifest.matchAll(/"%([\w.]+)%"/g)].map(([, key]) => key));
  assert.deepEqual([...used].sort(), Object.keys(strings).sort());
});

test('each command is registered', () => {
  for (const command of commands) {
    assert.ok(command.startsWith('meaning.'), command); // "meaning-ls." belongs to the server
    const name = command.slice('meaning.'.length);
    assert.ok(sources.includes(`on('${name}',`) || sources.includes(`registerCommand('${command}'`), command);
  }
});

test('menus, keys and code name commands that are there', () => {
  const named = [...contributes.keybindings, ...Object.values(contributes.menus).flat()].map(({ command }) => command);
  const called = [...sources.matchAll(/'(meaning\.[a-z][\w.]*)'/g)].map(([, id]) => id ?? '');
  const others = /^meaning\.(?:results|status|isSearching|hasResults|server(?:\..*)?)$/; // views, contexts, settings
  for (const command of [...named, ...called.filter((id) => !others.test(id))]) {
    assert.ok(commands.includes(command), command);
  }
});

test('what names a program, a folder or a device is a matter of the machine, not of a workspace', () => {
  const { properties } = contributes.configuration;
  const names = ['server.path', 'model', 'docsModel', 'rerank', 'device', 'cacheDir', 'memoryLimit', 'threads'];
  for (const name of names) {
    assert.equal(properties[`meaning.${name}`]?.scope, 'machine', name);
  }
});

test('what a workspace may choose counts only where it is trusted', () => {
  const { properties } = contributes.configuration;
  const chosen = Object.keys(properties).filter((name) => properties[name]?.scope !== 'machine');
  assert.deepEqual(capabilities.untrustedWorkspaces.restrictedConfigurations, chosen.sort());
});

test('each picture of the page and of the walkthrough is there', () => {
  const page = readFileSync('README.md', 'utf8');
  const shown = [...page.matchAll(/\]\((images\/[\w.]+)\)/g)].map(([, file]) => file ?? '');
  const steps = contributes.walkthroughs.flatMap(({ steps }) => steps.map(({ media }) => media.image));
  for (const file of [...shown, ...steps]) {
    assert.ok(existsSync(file), file);
  }
});
