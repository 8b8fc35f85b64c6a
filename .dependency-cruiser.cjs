// The architecture, checked by `npm run lint`: what each folder may import. docs/architecture.md draws the layers and
// says more. Types count too: a file that cannot be read without another one depends on it.

/** From the bottom up: a folder imports from folders before its own, and from itself. */
const layers = [
  ['messages'],
  ['entry', 'native'],
  ['config'],
  ['disk'],
  ['proof'],
  ['catalog'],
  // What the flow is made of: side by side, since data goes from one to the next only by what stands above them.
  ['source', 'archive', 'staging', 'tape'],
  ['operations'],
  ['activities'],
  ['workflows'],
  ['embedded'],
  ['workers'],
  ['client'],
  // What the commands print, as a page: it has their sessions, their words and their ways.
  ['web'],
  ['bench', 'test'],
];

const within = (folders) => `^(${folders.join('|')})/`;

const upward = layers.flatMap((folders, height) => {
  return folders.map((folder) => ({
    name: `${folder}-imports-downward-only`,
    comment: 'The layers go down: see docs/architecture.md.',
    severity: 'error',
    // The list of commands names the one that serves the page; it loads it only when it is asked for.
    from: { path: within([folder]), pathNot: '^client/load-commands\\.ts$' },
    to: {
      path: within([...folders.filter((other) => other !== folder), ...layers.slice(height + 1).flat()]),
    },
  }));
});

module.exports = {
  forbidden: [
    ...upward.filter(({ name }) => !/^(bench|test)-/.test(name)),
    {
      name: 'no-circles',
      comment: 'Two files that need each other are one, or have a third one in them.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'the-command-line-does-no-steps',
      comment:
        'A step runs in a worker, with its retries and fences; what a command does itself stands in operations/.',
      severity: 'error',
      from: { path: '^(client|web)/' },
      to: { path: '^activities/' },
    },
    {
      name: 'commands-know-no-page',
      comment:
        'Of the page the list of commands knows the one that serves it; every other process runs without it.',
      severity: 'error',
      from: { path: '^client/load-commands\\.ts$' },
      to: { path: '^web/(?!command\\.ts$)' },
    },
    {
      name: 'workflows-know-steps-by-their-types',
      comment: 'A workflow is replayed: of a step it may know the types alone.',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { path: '^activities/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'sql-in-the-catalog-only',
      comment: 'Whoever changes a table finds every query of it in catalog/.',
      severity: 'error',
      from: { pathNot: '^(catalog|test|bench)/' },
      to: { path: 'node_modules/kysely' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
  },
};
