#!/usr/bin/env node
'use strict';
require('./require-node.cjs');
// The size of libuv's thread pool is read once, at its first use, so it is set before anything else is loaded.
const os = require('node:os');
const path = require('node:path');
const threads = Number(process.env.COMPRESSION_THREADS) || os.availableParallelism();
process.env.UV_THREADPOOL_SIZE ??= String(threads + 4);

import(
  require('node:url').pathToFileURL(path.join(__dirname, '..', 'dist', 'program', 'main.js')).href
).catch((error) => {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  console.error(
    `tapeflow is not built yet: run \`npm run tapeflow -- …\`, which builds it first. (${error.message})`,
  );
  process.exitCode = 1;
});
