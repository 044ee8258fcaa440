import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist/', 'out/', 'node_modules/', '**/*.mjs'] },
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-console': 'error', // an extension's console is read by nobody: there is a log
      eqeqeq: 'error',
      'prefer-const': 'error',
    },
  },
  {
    files: ['test/**', 'e2e/**'],
    rules: {
      '@typescript-eslint/no-floating-promises': 'off', // node:test returns promises that nobody has to wait for
      'no-console': 'off',
    },
  },
);
