import eslint from '@eslint/js';
import { builtinModules } from 'node:module';
import tseslint from 'typescript-eslint';

/** Node's modules, with and without the `node:` prefix: a workflow may import none of them. */
const nodeModules = builtinModules.flatMap((name) => [name, `node:${name}`]);

export default tseslint.config(
  { ignores: ['dist/', 'native/target/', 'node_modules/', 'test/fixtures/'] },
  eslint.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: {
          allowDefaultProject: ['eslint.config.js', '.dependency-cruiser.cjs', 'scripts/*.mjs', 'bin/*.cjs'],
        },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/require-await': 'off',
      // Options are plain objects of functions here; none of them uses `this`.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ImportExpression[source.value=/^@temporalio/]',
          message: 'In the bundled program it has no names: import workers/server/temporal-client.js late.',
        },
      ],
      // Prettier keeps code at 110 columns, but breaks neither comments nor strings.
      'max-len': ['error', { code: 120, ignoreUrls: true, ignoreRegExpLiterals: true }],
    },
  },
  {
    // What a program says is compared, and fed to it, in one piece; so are the names of tests.
    files: ['test/**/*.ts'],
    rules: {
      'max-len': [
        'error',
        {
          code: 120,
          ignoreUrls: true,
          ignoreRegExpLiterals: true,
          ignoreStrings: true,
          ignoreTemplateLiterals: true,
        },
      ],
    },
  },
  {
    files: ['scripts/*.mjs', 'bin/*.cjs', 'eslint.config.js', '.dependency-cruiser.cjs'],
    ...tseslint.configs.disableTypeChecked,
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        require: 'readonly',
        module: 'writable',
        __dirname: 'readonly',
        URL: 'readonly',
      },
      parserOptions: { projectService: false },
    },
    rules: { ...tseslint.configs.disableTypeChecked.rules, '@typescript-eslint/no-require-imports': 'off' },
  },
  {
    // Scripts of the web page: they run in a browser.
    files: ['web/assets/*.js'],
    ...tseslint.configs.disableTypeChecked,
    languageOptions: {
      globals: {
        ...{ document: 'readonly', location: 'readonly', window: 'readonly', fetch: 'readonly' },
        ...{ DOMParser: 'readonly', Event: 'readonly', EventSource: 'readonly', setTimeout: 'readonly' },
        ...{
          getComputedStyle: 'readonly',
          matchMedia: 'readonly',
          uPlot: 'readonly',
          ResizeObserver: 'readonly',
        },
      },
      parserOptions: { projectService: false },
    },
  },
  {
    // Workflow code is replayed: it may see neither Node nor the code of the activities, only their types.
    files: ['workflows/**/*.ts'],
    rules: {
      'no-restricted-imports': 'off',
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          paths: nodeModules.map((name) => ({ name, message: 'Workflow code must not use Node modules.' })),
          patterns: [
            {
              group: [
                'activities',
                'archive',
                'catalog',
                'config',
                'disk',
                'operations',
                'source',
                'staging',
                'tape',
              ].map((folder) => `../**/${folder}/**`),
              message: 'Workflow code may import only types from here.',
              allowTypeImports: true,
            },
          ],
        },
      ],
    },
  },
  {
    // node:test's `test()` returns a promise that the runner itself awaits.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['test', 'describe', 'it', 'suite'] },
          ],
        },
      ],
    },
  },
);
