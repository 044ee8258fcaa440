// Bundles the extension into dist/extension.js: one file, so that activating it reads one file.
import { context } from 'esbuild';

const isWatching = process.argv.includes('--watch');
const build = await context({
  entryPoints: ['src/extension.ts'],
  outfile: 'dist/extension.js',
  bundle: true,
  minify: !isWatching,
  sourcemap: isWatching,
  format: 'cjs',
  platform: 'node',
  target: 'node20', // of VS Code 1.91
  external: ['vscode'],
  logLevel: 'info',
});
if (isWatching) {
  await build.watch();
} else {
  await build.rebuild();
  await build.dispose();
}
