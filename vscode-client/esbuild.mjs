// Bundles the extension into dist/extension.js: one small file, so that activating it reads little.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { context } from 'esbuild';
import { minify } from 'terser';

const OUT = 'dist/extension.js';
const isWatching = process.argv.includes('--watch');

/**
 * What our server does not have: features of vscode-languageclient, a third of the library, which carries all of LSP, and
 * their messages. File operations are among them, for whatever is moved or deleted is told by watched files too.
 */
const ABSENT = [
  /[\\/]vscode-languageclient[\\/]lib[\\/]common[\\/](?:callHierarchy|codeLens|colorProvider|completion|declaration|definition|diagnostic|documentHighlight|documentLink|fileOperations|foldingRange|formatting|hover|implementation|inlayHint|inlineCompletion|inlineValue|linkedEditingRange|protocol(?:CallHierarchyItem|CodeLens|CompletionItem|DocumentLink|InlayHint|TypeHierarchyItem)|reference|rename|selectionRange|semanticTokens|signatureHelp|typeDefinition|typeHierarchy)\.js$/,
  /[\\/]vscode-languageserver-protocol[\\/]lib[\\/]common[\\/]protocol\.(?:callHierarchy|colorProvider|declaration|diagnostic|fileOperations|foldingRange|implementation|inlineCompletion|inlineValue|linkedEditingRange|moniker|selectionRange|typeDefinition|typeHierarchy)\.js$/,
];

/** Stands for each class of a module that is left out: a feature that announces nothing, a kind
 * of value that never comes. Nothing else may be asked of it. */
const NOTHING = `
class Absent {
  fillClientCapabilities() {}
  initialize() {}
  getState() { return { kind: 'static' }; }
  clear() {}
  dispose() {}
}
module.exports = new Proxy({}, {
  get(_, name) {
    if (name !== 'default' && !name.endsWith('Feature')) throw new Error(name + ' was left out of the bundle');
    return Absent;
  },
});
`;

const withoutAbsentFeatures = {
  name: 'without-absent-features',
  setup(build) {
    build.onResolve({ filter: /^\.\/[\w.]+$/ }, ({ resolveDir, path }) =>
      ABSENT.some((one) => one.test(join(resolveDir, `${path}.js`)))
        ? { path: 'nothing', namespace: 'absent' }
        : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'absent' }, () => ({ contents: NOTHING }));
    // Compares paths with patterns in selectors of notebooks; the server's has none.
    build.onResolve({ filter: /^minimatch$/ }, () => ({ path: 'nothing', namespace: 'absent' }));
  },
};

const build = await context({
  entryPoints: ['src/extension.ts'],
  outfile: OUT,
  bundle: true,
  minify: !isWatching,
  sourcemap: isWatching,
  format: 'cjs',
  platform: 'node',
  target: 'node20', // of VS Code 1.91
  external: ['vscode'],
  plugins: [withoutAbsentFeatures],
  logLevel: 'warning',
});
if (isWatching) {
  await build.watch();
} else {
  await build.rebuild();
  await build.dispose();
  // A twentieth less than esbuild alone.
  const { code } = await minify(await readFile(OUT, 'utf8'), {
    toplevel: true,
    ecma: 2020,
    compress: { passes: 2, unsafe_arrows: true, keep_fargs: false },
  });
  await writeFile(OUT, code);
  console.log(`${OUT}: ${code.length} bytes`);
}
