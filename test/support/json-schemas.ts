import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import { projectDir } from '../../config/project-dir.js';

export const docsDir = path.join(projectDir, 'docs');

/** A schema of an object, or of one of several. */
export interface ObjectSchema {
  properties: Record<string, object>;
  anyOf?: ObjectSchema[];
}

/** A schema of docs/schemas/. */
export const schemaNamed = (name: string) =>
  JSON.parse(readFileSync(path.join(docsDir, 'schemas', `${name}.schema.json`), 'utf8')) as ObjectSchema;

const compiled = new Map<string, ValidateFunction>();

/** Checks a value by a schema of docs/schemas/. */
export function requireValid(schema: string, value: unknown): void {
  let validate = compiled.get(schema);
  if (validate === undefined) {
    validate = new Ajv({ validateFormats: false, strict: false }).compile(schemaNamed(schema));
    compiled.set(schema, validate);
  }
  assert.ok(validate(value), `${JSON.stringify(value)}: ${JSON.stringify(validate.errors)}`);
}

/** The name of the schema of an object that stands on a tape. */
export function schemaOfObject(value: object): string {
  if ('tapeflowLabel' in value) return 'label';
  return 'tapeflow' in value && value.tapeflow === 'end' ? 'end-mark' : 'manifest-line';
}
