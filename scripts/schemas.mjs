// Writes the JSON Schemas of what is on a tape and of tapeflow.config.json to docs/schemas/, from the zod schemas of
// the code that reads them. Needs the built program: `npm run schemas` builds it first.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { z } from 'zod';
import { lineSchemas } from '../dist/archive/manifest/line-schemas.js';
import { configFileSchema } from '../dist/config/settings/config-file.js';
import { endMarkSchema } from '../dist/tape/labels/end-mark.js';
import { labelSchema } from '../dist/tape/labels/label.js';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
export const schemasDir = path.join(root, 'docs', 'schemas');

const sources = {
  'config.schema.json': configFileSchema,
  'end-mark.schema.json': endMarkSchema,
  'label.schema.json': labelSchema,
  'manifest-line.schema.json': z
    .union(Object.values(lineSchemas))
    .meta({ description: 'A line of a manifest. Lines of other kinds and unknown keys are to be ignored.' }),
};

/** Defaults that differ from machine to machine, or that a file cannot hold as they are. */
const untoldDefaults = new Set(['COMPRESSION_THREADS', 'POOL_RETENTION']);

/** What zod does not say of itself. Draft 7, since most editors know that one. */
function schemaOf(source) {
  return z.toJSONSchema(source, {
    target: 'draft-07',
    io: 'input',
    override({ zodSchema, jsonSchema, path: [, name] }) {
      // A number may stand as text too, as in the environment.
      if (zodSchema._zod.def.coerce === true) jsonSchema.type = [jsonSchema.type, 'string'].flat();
      if (untoldDefaults.has(name)) delete jsonSchema.default;
    },
  });
}

/** The text of each file of docs/schemas/, by its name. */
export function schemaFiles() {
  const files = Object.entries(sources).map(([name, source]) => [name, schemaOf(source)]);
  return Object.fromEntries(files.map(([name, schema]) => [name, `${JSON.stringify(schema, null, 2)}\n`]));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  mkdirSync(schemasDir, { recursive: true });
  for (const [name, text] of Object.entries(schemaFiles())) writeFileSync(path.join(schemasDir, name), text);
}
