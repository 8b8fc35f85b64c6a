'use strict';
// Ends the process where Node is older than package.json asks for. Plain Node: nothing may be installed yet.
const oldest = require('../package.json').engines.node.replace('>=', '');
if (process.versions.node.localeCompare(oldest, 'en', { numeric: true }) < 0) {
  console.error(`tapeflow: it needs Node ${oldest} or newer, and this is ${process.version}.`);
  process.exit(1);
}
