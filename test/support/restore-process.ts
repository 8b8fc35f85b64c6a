// The process of `restoreThrough`.
import { restoreTree, type AskedRestore } from './restore-alone.js';

let input = '';
for await (const text of process.stdin.setEncoding('utf8')) input += String(text);
const { packed, target, choice } = JSON.parse(input) as AskedRestore;
process.stdout.write(JSON.stringify(await restoreTree(packed, target, choice)));
